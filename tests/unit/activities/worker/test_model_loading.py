from __future__ import annotations

import pytest

from activities.worker.model_loading import load_models
from agentkit.interfaces import Model
from agentkit.llm import DemoModel


class _Loadable(DemoModel):
    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.is_loaded = False
        self._error = error

    async def load(self) -> None:
        if self._error:
            raise self._error
        self.is_loaded = True


async def test_models_are_loaded_and_one_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    loaded = _Loadable()
    models: dict[str, Model] = {"demo": DemoModel(), "broken": _Loadable(ImportError("no SDK")), "loaded": loaded}
    await load_models(models)
    assert loaded.is_loaded
    assert [record.getMessage() for record in caplog.records] == ["The models of broken can't be loaded"]
    assert "no SDK" in caplog.text
