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
    ("model", "told"),
    [
        (
            "gpt-5",
            "unknown provider 'gpt-5'. Write provider:name with one of demo, openai, anthropic, google, openrouter, ",
        ),
        ("", "unknown provider ''"),
        ("openai", "expected provider:name, such as openai:gpt-5-mini"),
        ("openai:", "expected provider:name"),
    ],
)
def test_what_is_no_model_is_refused(model: str, told: str) -> None:
    with pytest.raises(ConfigurationInvalid) as raised:
        split_model(model)
    assert told in str(raised.value)


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
        pytest.param({"openai_compatible_base_url": "http://a"}, "demo:demo", id="a server with models of its own"),
        pytest.param({"anthropic_api_key": "k", "default_model": "claude"}, "anthropic:claude", id="its model"),
        pytest.param({"openai_api_key": "k", "default_provider": "demo"}, "demo:demo", id="provider"),
        pytest.param({"default_provider": "openai", "default_model": "gpt-6"}, "openai:gpt-6", id="both"),
        pytest.param({"default_model": "gpt-6"}, "openai:gpt-6", id="model alone"),
        pytest.param({"default_model": "openai-compatible:llama3:8b"}, "openai-compatible:llama3:8b", id="whole model"),
    ],
)
def test_the_default_model_follows_the_settings(settings: dict[str, Any], model: str) -> None:
    assert default_model(Settings(**settings)) == model


def test_a_provider_without_a_default_model_needs_one_named() -> None:
    with pytest.raises(ConfigurationInvalid, match="AGENTKIT_LLM_MODEL isn't set"):
        default_model(Settings(default_provider="openai-compatible"))


@pytest.mark.parametrize(
    ("model", "settings", "told"),
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
def test_what_a_model_lacks_is_told(model: str, settings: dict[str, Any], told: str | None) -> None:
    lacking = missing_configuration(model, Settings(**settings))
    assert lacking is None if told is None else told in (lacking or "")


def test_providers_with_a_key_that_no_agent_names_are_checked_too() -> None:
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
