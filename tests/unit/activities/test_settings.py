from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activities.settings import Settings
from agentkit.errors import ConfigurationInvalid

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes ``opspawn.toml`` and loads the settings."""

    def load_file(text: str | bytes = "", **overrides: Any) -> Settings:
        content = text.encode() if isinstance(text, str) else text
        (tmp_path / "opspawn.toml").write_bytes(content)
        return Settings.load(tmp_path, **overrides)

    return load_file


def test_without_a_file_settings_have_their_defaults(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path)
    assert (settings.port, settings.task_queue, settings.app_dir) == (8000, "opspawn", tmp_path)


def test_options_have_priority_over_variables_and_variables_over_the_file(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load("port = 1\nhost = 'a'").port == 1
    monkeypatch.setenv("OPSPAWN_PORT", "2")
    assert load("port = 1\nhost = 'a'").port == 2
    assert load("port = 1\nhost = 'a'", port=3).port == 3
    assert load("port = 1\nhost = 'a'", port=None).host == "a"


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("OPSPAWN_TASK_QUEUE", "task_queue"),
        ("AGENTKIT_LLM_MODEL", "default_model"),
        ("OPSPAWN_DEFAULT_MODEL", "default_model"),
        ("AGENTKIT_LLM_PROVIDER", "default_provider"),
        ("AGENTKIT_PLANNER_TYPE", "default_planner"),
        ("OPENAI_BASE_URL", "openai_base_url"),
        ("OPSPAWN_OPENAI_BASE_URL", "openai_base_url"),
        ("ANTHROPIC_BASE_URL", "anthropic_base_url"),
        ("OPSPAWN_ANTHROPIC_BASE_URL", "anthropic_base_url"),
        ("GOOGLE_GEMINI_BASE_URL", "google_base_url"),
        ("OPSPAWN_GOOGLE_BASE_URL", "google_base_url"),
        ("OPSPAWN_OPENROUTER_BASE_URL", "openrouter_base_url"),
    ],
)
def test_each_setting_has_its_environment_variables(
    load: Load, monkeypatch: pytest.MonkeyPatch, variable: str, key: str
) -> None:
    monkeypatch.setenv(variable, "from-variable")
    assert getattr(load(f"{key} = 'from-file'"), key) == "from-variable"


def test_an_empty_variable_counts_as_unset(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPAWN_PORT", "")
    assert load("port = 1").port == 1


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("OPENAI_API_KEY", "openai_api_key"),
        ("OPENAI_COMPATIBLE_API_KEY", "openai_compatible_api_key"),
        ("ANTHROPIC_API_KEY", "anthropic_api_key"),
        ("GOOGLE_API_KEY", "google_api_key"),
        ("GEMINI_API_KEY", "google_api_key"),
        ("OPENROUTER_API_KEY", "openrouter_api_key"),
    ],
)
def test_keys_of_providers_are_not_in_the_repr(
    load: Load, monkeypatch: pytest.MonkeyPatch, variable: str, key: str
) -> None:
    monkeypatch.setenv(variable, "sk-secret")
    settings = load()
    assert getattr(settings, key).get_secret_value() == "sk-secret"
    assert "sk-secret" not in repr(settings)


def test_openai_api_is_responses_or_chat(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().openai_api is None
    monkeypatch.setenv("OPSPAWN_OPENAI_API", "chat")
    assert load().openai_api == "chat"
    monkeypatch.setenv("OPSPAWN_OPENAI_API", "grpc")
    with pytest.raises(ConfigurationInvalid, match=r"OPSPAWN_OPENAI_API.*'responses' or 'chat'"):
        load()


def test_networks_are_a_list_or_text_separated_by_commas(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().http_fetch_allow == ()
    assert load('http_fetch_allow = ["10.0.0.0/8"]').http_fetch_allow == ("10.0.0.0/8",)
    monkeypatch.setenv("OPSPAWN_HTTP_FETCH_ALLOW", "10.0.0.0/8, ::1/128")
    assert load().http_fetch_allow == ("10.0.0.0/8", "::1/128")


def test_origins_are_a_list_or_text_separated_by_commas(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().cors_origins == ()
    assert load('cors_origins = ["*"]').cors_origins == ("*",)
    monkeypatch.setenv("OPSPAWN_CORS_ORIGINS", "https://a.example, http://localhost:3000")
    assert load().cors_origins == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("prot = 1", "unknown key 'prot'. Did you mean 'port'? Known keys: anthropic_api_key, ", id="key"),
        pytest.param("port = 'x'", "Setting port (OPSPAWN_PORT): expected a valid integer", id="type"),
        pytest.param(
            "port = 70000", "Setting port (OPSPAWN_PORT): expected less than or equal to 65535, got 70000", id="port"
        ),
        pytest.param("port =", "no valid TOML", id="syntax"),
        pytest.param(b"\xff", "no valid TOML", id="no UTF-8"),
        pytest.param("[server]\nport = 1", "unknown key 'server'", id="table"),
        pytest.param(
            "http_fetch_allow = ['10.0.0.1/8']",
            "expected networks such as 10.0.0.0/8: 10.0.0.1/8 has host",
            id="network",
        ),
        pytest.param("cors_origins = ['https://a.example/']", "expected origins such as https://chat", id="origin"),
    ],
)
def test_an_error_in_the_file_names_the_file(load: Load, tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigurationInvalid) as raised:
        load(text)
    assert str(raised.value).startswith(f"{tmp_path}/opspawn.toml: ")
    assert message in str(raised.value)


def test_an_error_in_a_variable_names_the_variable(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPAWN_PORT", "abc")
    with pytest.raises(
        ConfigurationInvalid, match=r"^Setting port \(OPSPAWN_PORT\): expected a valid integer.* got 'abc'"
    ):
        load()


def test_an_error_in_a_key_does_not_show_its_value(load: Load) -> None:
    with pytest.raises(ConfigurationInvalid, match="openai_api_key") as raised:
        load("openai_api_key = 12345")
    assert "12345" not in str(raised.value)
