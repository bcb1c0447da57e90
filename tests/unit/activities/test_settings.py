from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activities.settings import Settings, inherited_environment, unknown_variables, warn_of_unknown_variables
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
        pytest.param("prot = 1", "unknown key 'prot'. Did you mean 'port'? Known keys: allowed_hosts, ", id="key"),
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


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("OPSPAWN_PROT", "Unknown variable OPSPAWN_PROT is ignored. Did you mean OPSPAWN_PORT?"),
        (
            "OPSPAWN_TEMPORAL_BINARY",
            "Unknown variable OPSPAWN_TEMPORAL_BINARY is ignored. Did you mean OPSPAWN_TEMPORAL_BIN?",
        ),
        ("opspawn_datadir", "Unknown variable opspawn_datadir is ignored. Did you mean OPSPAWN_DATA_DIR?"),
        (
            "AGENTKIT_LLM_PROVDER",
            "Unknown variable AGENTKIT_LLM_PROVDER is ignored. Did you mean AGENTKIT_LLM_PROVIDER?",
        ),
        ("OPSPAWN_ZZZ", "Unknown variable OPSPAWN_ZZZ is ignored."),
    ],
    ids=["misspelt", "longer", "in small letters", "of agentkit", "nothing similar"],
)
def test_a_variable_that_is_no_setting_is_named_with_the_one_that_was_probably_meant(
    variable: str, message: str
) -> None:
    assert unknown_variables({variable: "x", "PATH": "/bin"}) == [message]


def test_settings_empty_variables_and_those_of_other_programs_are_not_reported() -> None:
    known = dict.fromkeys(Settings.variables(), "x")
    assert {"OPSPAWN_TEMPORAL_BIN", "AGENTKIT_LLM_MODEL", "GEMINI_API_KEY"} <= known.keys()

    assert unknown_variables({**known, "opspawn_port": "1", "OPSPAWN_PROT": "", "MY_OPSPAWN_X": "1"}) == []


def test_the_variable_of_uvicorn_is_ignored_and_its_setting_named() -> None:
    assert unknown_variables({"FORWARDED_ALLOW_IPS": ""}) == []
    assert unknown_variables({"FORWARDED_ALLOW_IPS": "*"}) == [
        "Variable FORWARDED_ALLOW_IPS is ignored: use OPSPAWN_TRUSTED_PROXIES (trusted_proxies in opspawn.toml)."
    ]


def test_the_environment_of_the_process_is_checked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPSPAWN_PROT", "1")

    warn_of_unknown_variables()

    assert caplog.messages == ["Unknown variable OPSPAWN_PROT is ignored. Did you mean OPSPAWN_PORT?"]


def test_the_data_directory_is_in_the_app_directory_wherever_the_process_starts(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert load().data_dir == tmp_path / ".opspawn"
    monkeypatch.chdir(elsewhere)
    assert load().data_dir == tmp_path / ".opspawn"
    monkeypatch.chdir(tmp_path)
    assert Settings.load().data_dir == tmp_path / ".opspawn"
    assert Settings.load(Path("elsewhere")).data_dir == elsewhere / ".opspawn"


def test_paths_in_the_file_are_relative_to_it_and_typed_ones_to_the_working_directory(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    file = "data_dir = 'data'\ntemporal_bin = 'bin/temporal'\nrelay_tls_ca = '/etc/ca.pem'"
    settings = load(file)
    assert (settings.data_dir, settings.temporal_bin) == (tmp_path / "data", tmp_path / "bin" / "temporal")
    assert settings.relay_tls_ca == Path("/etc/ca.pem")
    assert load(file, data_dir=Path("typed")).data_dir == elsewhere / "typed"
    monkeypatch.setenv("OPSPAWN_DATA_DIR", "variable")
    assert load(file).data_dir == elsewhere / "variable"


def test_the_data_directory_stays_where_it_is_when_the_process_changes_its_directory(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(data_dir=Path("data"))
    monkeypatch.chdir("/")
    assert settings.data_dir == tmp_path / "data"
    assert settings.model_copy(update={"port": 1}).data_dir == tmp_path / "data"


@pytest.mark.parametrize("command", [["worker", "--check-models"], ["api"]], ids=["worker", "api"])
def test_workers_and_the_api_warn_of_unknown_variables_when_they_start(command: list[str]) -> None:
    environment = {**inherited_environment(), "OPSPAWN_PROT": "1", "OPSPAWN_PORT": "wrong: it ends at once"}

    result = subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, check=False, timeout=60
    )

    assert result.returncode == 2
    warning = "WARNING opspawn.settings: Unknown variable OPSPAWN_PROT is ignored. Did you mean OPSPAWN_PORT?"
    assert result.stderr.splitlines().count(warning) == 1


WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_webhook_and_its_secret_may_come_from_the_file_and_the_environment(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSPAWN_INPUT_WEBHOOK_SECRET", WEBHOOK_SECRET)
    settings = load("input_webhook = 'http://10.0.0.7:8080/hook?a=b'")
    assert settings.input_webhook == "http://10.0.0.7:8080/hook?a=b"
    assert settings.input_webhook_secret is not None
    assert settings.input_webhook_secret.get_secret_value() == WEBHOOK_SECRET
    assert WEBHOOK_SECRET not in repr(settings)


@pytest.mark.parametrize("line", ["input_webhook = 'https://a'", f"input_webhook_secret = '{WEBHOOK_SECRET}'"])
def test_a_webhook_needs_a_secret_and_a_secret_a_webhook(load: Load, line: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="go together: set both, or none"):
        load(line)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "t0ken.example/hook",
            "ftp://t0ken",
            "https:///t0ken",
            "https://t0ken@a",
            "https://a/#t0ken",
            "https://t0ken:99999",
        ),
        *("https://[t0ken", "https://t0ken b", "https://t0ken\u00e4", "https://a/t0ken" + "x" * 2_000),
    ],
    ids=["no scheme", "ftp", "no host", "user", "fragment", "port", "bracket", "space", "letters", "long"],
)
def test_a_webhook_is_a_url_and_a_wrong_one_is_not_shown(load: Load, url: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"Setting input_webhook \(OPSPAWN_INPUT_WEBHOOK\): ") as raised:
        load(input_webhook=url, input_webhook_secret=WEBHOOK_SECRET)
    assert "expected a URL" in str(raised.value)
    assert "t0ken" not in str(raised.value)


@pytest.mark.parametrize(
    "secret",
    [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_c2hvcnQ=",
        "whsec_no base64",
        "whsec_" + "QUFB" * 22,
        "whsec_QUFB\u00e4",
    ],
    ids=["no prefix", "short", "no base64", "long", "letters"],
)
def test_a_webhook_secret_has_its_form_and_a_wrong_one_is_not_shown(load: Load, secret: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="expected whsec_ and 24 to 64 bytes in base64") as raised:
        load(input_webhook="https://a", input_webhook_secret=secret)
    assert secret not in str(raised.value)


def test_trusted_proxies_are_addresses_and_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load(tmp_path).trusted_proxies == ("127.0.0.1", "::1")
    monkeypatch.setenv("OPSPAWN_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::7")
    assert Settings.load(tmp_path).trusted_proxies == ("10.0.0.0/8", "2001:db8::7")
    monkeypatch.setenv("OPSPAWN_TRUSTED_PROXIES", "proxy.example.com")
    with pytest.raises(ConfigurationInvalid, match="expected addresses and networks such as"):
        Settings.load(tmp_path)
