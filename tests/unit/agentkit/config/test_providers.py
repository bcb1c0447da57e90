from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from activities.settings import Settings
from agentkit.config.providers import default_model, missing_configuration, models_to_check, split_model
from agentkit.errors import ConfigurationInvalid


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("openai:gpt-5-mini", ("openai", "gpt-5-mini")),
        ("openai-compatible:llama3:8b", ("openai-compatible", "llama3:8b")),
        ("openrouter:deepseek/deepseek-r1:free", ("openrouter", "deepseek/deepseek-r1:free")),
        ("demo:demo", ("demo", "demo")),
        ("demo", ("demo", "demo")),
    ],
)
def test_a_model_is_split_at_the_first_colon(model: str, parts: tuple[str, str]) -> None:
    assert split_model(model) == parts


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "llama3:8b",
            "unknown provider 'llama3'. Write provider:name with one of demo, openai, anthropic, google, openrouter, ",
        ),
        ("", "unknown provider ''"),
        ("openai", "expected provider:name, such as openai:gpt-5-mini"),
        ("openai:", "expected provider:name"),
    ],
)
def test_an_invalid_model_name_is_refused(model: str, message: str) -> None:
    with pytest.raises(ConfigurationInvalid) as raised:
        split_model(model)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("model", "intended"),
    [
        ("opnai:gpt-5", "openai:gpt-5"),
        ("OpenAI:gpt-5", "openai:gpt-5"),
        ("antropic:", "anthropic"),
        ("gemini:pro", "google:pro"),
        ("ollama:llama3", "openai-compatible:llama3"),
        ("openai/gpt-5", "openai:gpt-5"),
        ("openrouter/openai/gpt-5", "openrouter:openai/gpt-5"),
        ("gpt-5-mini", "openai:gpt-5-mini"),
        ("claude-sonnet-5-5", "anthropic:claude-sonnet-5-5"),
        ("demoo", "demo"),
    ],
)
def test_an_unknown_provider_is_refused_with_the_model_that_was_probably_meant(model: str, intended: str) -> None:
    with pytest.raises(ConfigurationInvalid) as raised:
        split_model(model)
    assert f"Did you mean '{intended}'?" in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"default_provider": "opnai"},
            "AGENTKIT_LLM_PROVIDER is 'opnai', an unknown provider. Did you mean 'openai'?",
        ),
        ({"default_provider": "claude", "default_model": "x"}, "Did you mean 'anthropic'?"),
        ({"default_provider": "zzz"}, "an unknown provider. Providers: demo, openai,"),
        ({"default_model": "opnai:gpt-5"}, "Did you mean 'openai:gpt-5'?"),
    ],
    ids=["misspelt", "with a model", "nothing similar", "within the model"],
)
def test_an_unknown_default_provider_is_refused_with_the_one_that_was_probably_meant(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationInvalid) as raised:
        default_model(Settings(**settings))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "model"),
    [
        pytest.param({}, "demo:demo", id="nothing"),
        pytest.param({"openai_api_key": "k"}, "openai:gpt-5-mini", id="key"),
        pytest.param({"openai_base_url": "http://a"}, "openai:gpt-5-mini", id="server"),
        pytest.param({"anthropic_api_key": "k", "google_api_key": "k"}, "anthropic:claude-sonnet-5-5", id="two keys"),
        pytest.param({"openai_api_key": "k", "anthropic_api_key": "k"}, "openai:gpt-5-mini", id="openai first"),
        pytest.param({"google_api_key": "k", "openrouter_api_key": "k"}, "google:gemini-3.8-flash", id="google"),
        pytest.param({"openrouter_api_key": "k"}, "openrouter:openai/gpt-5-mini", id="openrouter"),
        pytest.param({"openai_compatible_base_url": "http://a"}, "demo:demo", id="openai-compatible"),
        pytest.param({"anthropic_api_key": "k", "default_model": "claude"}, "anthropic:claude", id="key and model"),
        pytest.param({"openai_api_key": "k", "default_provider": "demo"}, "demo:demo", id="provider"),
        pytest.param({"default_provider": "openai", "default_model": "gpt-6"}, "openai:gpt-6", id="both"),
        pytest.param({"default_model": "gpt-6"}, "openai:gpt-6", id="model alone"),
        pytest.param({"default_model": "openai-compatible:llama3:8b"}, "openai-compatible:llama3:8b", id="with colon"),
        pytest.param({"default_model": "ft:gpt-5:mine"}, "openai:ft:gpt-5:mine", id="colon in the name"),
        pytest.param({"default_provider": "local"}, "local:smollm2", id="local"),
    ],
)
def test_the_default_model_depends_on_the_settings(settings: dict[str, Any], model: str) -> None:
    assert default_model(Settings(**settings)) == model


def test_a_provider_without_a_default_model_needs_one_named() -> None:
    with pytest.raises(ConfigurationInvalid, match="AGENTKIT_LLM_MODEL isn't set"):
        default_model(Settings(default_provider="openai-compatible"))


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        pytest.param("demo", {}, None, id="demo needs nothing"),
        pytest.param("openai:x", {}, "set OPENAI_API_KEY", id="no key"),
        pytest.param("openai:x", {"openai_api_key": "k"}, None, id="key"),
        pytest.param("openai:x", {"openai_base_url": "http://a"}, None, id="server without keys"),
        pytest.param("anthropic:x", {}, "set ANTHROPIC_API_KEY", id="no anthropic key"),
        pytest.param("anthropic:x", {"anthropic_api_key": "k"}, None, id="anthropic key"),
        pytest.param("anthropic:x", {"anthropic_base_url": "http://a"}, None, id="anthropic server"),
        pytest.param("google:x", {"openai_api_key": "k"}, "set GOOGLE_API_KEY or GEMINI_API_KEY", id="no google key"),
        pytest.param("google:x", {"google_api_key": "k"}, None, id="google key"),
        pytest.param("openrouter:x", {}, "set OPENROUTER_API_KEY", id="no openrouter key"),
        pytest.param("openrouter:x", {"openrouter_api_key": "k"}, None, id="openrouter key"),
        pytest.param("openai-compatible:x", {}, "set OPSPAWN_OPENAI_COMPATIBLE_BASE_URL", id="no address"),
        pytest.param("openai-compatible:x", {"openai_compatible_base_url": "http://a"}, None, id="address"),
    ],
)
def test_the_missing_setting_of_a_model_is_named(model: str, settings: dict[str, Any], message: str | None) -> None:
    missing = missing_configuration(model, Settings(**settings))
    assert missing is None if message is None else message in (missing or "")


def test_models_to_check_include_the_default_one_of_each_other_provider_with_a_key() -> None:
    settings = Settings(
        openai_api_key=SecretStr("a"),
        anthropic_api_key=SecretStr("b"),
        google_api_key=SecretStr("c"),
        google_base_url="http://127.0.0.1:1",
        openrouter_base_url="http://127.0.0.1:1",
    )
    assert models_to_check(["openai:gpt-4.1", "demo:demo"], settings) == [
        "openai:gpt-4.1",
        "demo:demo",
        "anthropic:claude-sonnet-5-5",
    ]
