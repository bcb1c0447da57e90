"""Real providers whose keys are set: ``pytest -m live``. It costs a few cents."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from activities.settings import Settings
from agentkit.config.providers import default_model, missing_configuration
from agentkit.interfaces import Model
from agentkit.llm import build_models

SETTINGS = pytest.StashKey[Settings]()
PROVIDERS = ("openai", "anthropic", "google", "openrouter")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Read the keys before other fixtures remove them from the environment; skip providers without one."""
    live = [item for item in items if item.get_closest_marker("live")]
    if not live:
        return
    config.stash[SETTINGS] = settings = Settings()
    for item in live:
        assert isinstance(item, pytest.Function)
        missing = missing_configuration(_default(str(item.callspec.params["provider"])), settings)
        if missing is not None:
            item.add_marker(pytest.mark.skip(reason=missing))


def _default(provider: str) -> str:
    return default_model(Settings(default_provider=provider, default_model=None))


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def name(provider: str) -> str:
    """Return the provider's default model."""
    return _default(provider)


@pytest.fixture
async def model(provider: str, request: pytest.FixtureRequest) -> AsyncIterator[Model]:
    models = build_models(request.config.stash[SETTINGS])
    yield models[provider]
    for built in models.values():
        await built.aclose()
