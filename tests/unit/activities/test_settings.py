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


def test_an_empty_variable_counts_as_unset(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPAWN_PORT", "")
    assert load("port = 1").port == 1


def test_origins_are_a_list_or_text_separated_by_commas(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().cors_origins == ()
    assert load('cors_origins = ["*"]').cors_origins == ("*",)
    monkeypatch.setenv("OPSPAWN_CORS_ORIGINS", "https://a.example, http://localhost:3000")
    assert load().cors_origins == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("relay_addresses = ['api-0']", "expected addresses such as api-0.example.com:8001", id="address"),
        pytest.param("prot = 1", "unknown key 'prot'. Did you mean 'port'? Known keys: anthropic_api_key, ", id="key"),
        pytest.param("port = 'x'", "Setting port (OPSPAWN_PORT): expected a valid integer", id="type"),
        pytest.param(
            "port = 70000", "Setting port (OPSPAWN_PORT): expected less than or equal to 65535, got 70000", id="port"
        ),
        pytest.param("port =", "no valid TOML", id="syntax"),
        pytest.param(b"\xff", "no valid TOML", id="no UTF-8"),
        pytest.param("[server]\nport = 1", "unknown key 'server'", id="table"),
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
