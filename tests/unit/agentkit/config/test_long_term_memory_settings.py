from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import Settings, unknown_variables
from agentkit.config.agent_settings import AgentSettings
from agentkit.config.long_term_memory_settings import EmbeddingChoice, embedding_choice
from agentkit.errors import ConfigurationInvalid


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("provider", "off"),
        ("url", "http://127.0.0.1:6333"),
        ("collection", "notes"),
        ("embeddings", "multilingual"),
        ("dimension", 256),
    ],
)
def test_each_setting_is_read_from_both_variables_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str | int
) -> None:
    (tmp_path / "opspawn.toml").write_text(f"ltm_{key} = {value!r}")
    assert getattr(AgentSettings.load(tmp_path), f"ltm_{key}") == value
    (tmp_path / "opspawn.toml").write_text("")
    for prefix in ("AGENTKIT", "OPSPAWN"):
        with monkeypatch.context() as context:
            context.setenv(f"{prefix}_LTM_{key.upper()}", str(value))
            assert getattr(AgentSettings.load(tmp_path), f"ltm_{key}") == value


@pytest.mark.parametrize(
    ("variables", "store"),
    [
        pytest.param({}, "embedded", id="nothing"),
        pytest.param({"URL": "http://127.0.0.1:6333"}, "qdrant", id="url"),
        pytest.param({"URL": "http://127.0.0.1:6333", "PROVIDER": "embedded"}, "embedded", id="both"),
        pytest.param({"PROVIDER": "off"}, "off", id="off"),
    ],
)
def test_a_url_alone_means_a_qdrant_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], store: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"AGENTKIT_LTM_{name}", value)
    assert AgentSettings.load(tmp_path).memory_store == store


def test_the_embedded_memory_is_in_the_data_directory_unless_it_has_a_path(tmp_path: Path) -> None:
    assert Settings.load(tmp_path).memory_dir == tmp_path / ".opspawn" / "memory"
    assert Settings.load(tmp_path, data_dir=tmp_path / "elsewhere").memory_dir == tmp_path / "elsewhere" / "memory"
    (tmp_path / "opspawn.toml").write_text("ltm_path = 'notes'")
    assert Settings.load(tmp_path).memory_dir == tmp_path / "notes"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PROVIDER", "chroma", "embedded"),
        ("URL", "127.0.0.1:6333", "http://127.0.0.1:6333"),
        ("COLLECTION", "a/b", "pattern"),
        ("EMBEDDINGS", "openai", "openai:NAME"),
        ("EMBEDDINGS", "anthropic:x", "openai-compatible:NAME"),
        ("DIMENSION", "0", "greater than"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(f"AGENTKIT_LTM_{variable}", value)
    with pytest.raises(ConfigurationInvalid, match=f"(?s)AGENTKIT_LTM_{variable}.*{expected}"):
        AgentSettings.load(tmp_path)


def test_no_message_and_no_repr_has_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTKIT_LTM_API_KEY", "qdrant-key-12345678")
    assert "12345678" not in repr(AgentSettings.load(tmp_path))
    monkeypatch.setenv("AGENTKIT_LTM_URL", "https://ada:pass-12345678@qdrant.example.com")
    with pytest.raises(ConfigurationInvalid, match="without user name") as caught:
        AgentSettings.load(tmp_path)
    assert "12345678" not in str(caught.value)


def test_all_variables_have_an_effect() -> None:
    names = ("PROVIDER", "PATH", "URL", "API_KEY", "COLLECTION", "EMBEDDINGS", "DIMENSION")
    assert unknown_variables({f"AGENTKIT_LTM_{name}": "x" for name in names}) == []


def test_the_name_of_a_model_is_what_follows_the_provider() -> None:
    assert embedding_choice("minilm") == EmbeddingChoice("minilm")
    assert embedding_choice("multilingual") == EmbeddingChoice("multilingual")
    assert embedding_choice("openai-compatible:qwen3-embedding:0.6b") == EmbeddingChoice(
        "openai-compatible", "qwen3-embedding:0.6b"
    )
