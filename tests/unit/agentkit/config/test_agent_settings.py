from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.model_prices import ModelPrice
from agentkit.config.secret_sources import SecretSource
from agentkit.errors import ConfigurationInvalid

Load = Callable[..., AgentSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes ``opspawn.toml`` and loads the settings."""

    def load_file(text: str = "") -> AgentSettings:
        (tmp_path / "opspawn.toml").write_text(text, encoding="utf-8")
        return AgentSettings.load(tmp_path)

    return load_file


@pytest.mark.parametrize(
    ("variable", "key"),
    [
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


def test_secrets_have_their_variables_and_values(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "gm-secret")
    settings = load()
    assert settings.secret_values["google_api_key"] == "gm-secret"
    assert "openai_api_key" not in settings.secret_values
    wanted = {"OPENAI_API_KEY", "OPSPAWN_OPENAI_API_KEY", "GEMINI_API_KEY", "AGENTKIT_LTM_API_KEY", "TEMPORAL_API_KEY"}
    assert wanted <= set(settings.secret_variables())
    assert not {"OPENAI_BASE_URL", "OPSPAWN_PRICES"} & set(settings.secret_variables())


def test_values_of_variables_are_internal_secrets_unless_a_setting_has_them(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"GOOGLE_API_KEY": "used", "GEMINI_API_KEY": "unused", "TEMPORAL_API_KEY": "cloud", "PATH": "/bin"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = load().internal_secrets(variables)
    assert found == {"google_api_key": "used", "GEMINI_API_KEY": "unused", "TEMPORAL_API_KEY": "cloud"}


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


def test_prices_are_a_table_of_the_file_or_json_in_the_environment(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    table = """
        [prices]
        "openai-compatible:*" = {input = 0.5, output = 2}
        "openai:gpt-5" = {input = 1, output = 10, cached_input = 0.1}
    """
    assert load().prices == {}
    assert load(table).prices == {
        "openai-compatible:*": ModelPrice(input=0.5, output=2),
        "openai:gpt-5": ModelPrice(input=1, output=10, cached_input=0.1),
    }
    monkeypatch.setenv("OPSPAWN_PRICES", '{"a:b": {"input": 1, "output": 2}}')
    assert load(table).prices == {"a:b": ModelPrice(input=1, output=2)}


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ("{input = 1}", r"prices\.openai:\*\.output \(OPSPAWN_PRICES\): required, but missing"),
        ("{input = 1, output = 'x'}", r"prices\.openai:\*\.output .*: expected a valid number"),
        ("{input = 1, output = 2, outptu = 2}", r"prices\.openai:\*\.outptu .*: unknown"),
        ("1", r"prices\.openai:\*.*: expected keys with values"),
    ],
    ids=["missing", "text", "unknown", "number"],
)
def test_an_invalid_price_is_refused_with_its_place(load: Load, price: str, message: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=message):
        load(f'[prices]\n"openai:*" = {price}')


def test_a_key_of_the_api_is_unknown_to_the_settings_of_agents(load: Load) -> None:
    with pytest.raises(ConfigurationInvalid, match="unknown key 'port'"):
        load("port = 1")


def test_an_error_in_a_key_does_not_show_its_value(load: Load) -> None:
    with pytest.raises(ConfigurationInvalid, match="openai_api_key") as raised:
        load("openai_api_key = 12345")
    assert "12345" not in str(raised.value)


def test_secrets_are_a_table_of_the_file_or_json_in_the_environment(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    github = SecretSource(env="GITHUB_TOKEN", hosts=("api.github.com",))
    in_file = '[secrets]\ngithub = {env = "GITHUB_TOKEN", hosts = ["API.github.com"]}\nkey = {file = "key.txt"}'
    assert load(in_file).secrets == {"github": github, "key": SecretSource(file="key.txt")}
    monkeypatch.setenv("OPSPAWN_SECRETS", '{"other": {"env": "OTHER"}}')
    assert load(in_file).secrets == {"other": SecretSource(env="OTHER")}


@pytest.mark.parametrize(
    "entry",
    [
        'github = "ghp_0123456789"',
        'github = {env = "ghp-0123456789"}',
        'github = {value = "ghp_0123456789"}',
        'github = {env = "A", file = "ghp_0123456789"}',
        'github = {env = "A", hosts = ["ghp_0123456789/x"]}',
        'github = {env = "A", hosts = "ghp_0123456789"}',
        '"gh p" = {env = "ghp_0123456789"}',
        "github = {}",
    ],
)
def test_a_wrong_secret_is_refused_and_never_shown(load: Load, entry: str) -> None:
    with pytest.raises(
        ConfigurationInvalid, match=r"opspawn\.toml: Setting secrets\..*OPSPAWN_SECRETS.*expected"
    ) as raised:
        load(f"[secrets]\n{entry}")
    assert "0123456789" not in str(raised.value)
