"""Build the models of every provider that is set up, each behind its rate limit and its prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from pydantic import SecretStr

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.providers import is_configured
from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import Model
from agentkit.llm.demo.model import DemoModel
from agentkit.llm.local.model import LocalModel
from agentkit.llm.openai.model import OpenAIModel
from agentkit.llm.openrouter.model import OpenRouterModel
from agentkit.llm.shared.streaming_model import OnHeaders
from agentkit.llm.wrappers.price import Priced
from agentkit.llm.wrappers.rate_limit import Limited, Limiter

__all__ = ["build_models"]


def build_models(settings: AgentSettings) -> dict[str, Model]:
    """Return a model for each provider that is set up, by the provider's name; ``demo`` and ``local`` always are.

    Each provider has one limiter: call this once in a process. Whoever builds the models closes them:
    ``await model.aclose()``.

    Raises:
        ConfigurationInvalid: an address is no URL, or a key no key; the message names the variable.
    """
    models: dict[str, Model] = {"demo": DemoModel(), "local": LocalModel()}
    for provider, build in _BUILDERS.items():
        if is_configured(provider, settings):
            limiter = Limiter(
                concurrency=settings.model_concurrency,
                requests_per_minute=settings.model_requests_per_minute,
                tokens_per_minute=settings.model_tokens_per_minute,
            )
            models[provider] = Limited(build(settings, limiter.hear), limiter)
    return models


def _openai(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    key, url = _key("OPENAI_API_KEY", settings.openai_api_key), _url("OPENAI_BASE_URL", settings.openai_base_url)
    return Priced(OpenAIModel(api_key=key, base_url=url, api=settings.openai_api, on_headers=on_headers))


def _anthropic(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    key, url = (
        _key("ANTHROPIC_API_KEY", settings.anthropic_api_key),
        _url("ANTHROPIC_BASE_URL", settings.anthropic_base_url),
    )
    return Priced(_late("anthropic", "AnthropicModel")(api_key=key, base_url=url, on_headers=on_headers))


def _google(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    key, url = (
        _key("GOOGLE_API_KEY", settings.google_api_key),
        _url("OPSPAWN_GOOGLE_BASE_URL", settings.google_base_url),
    )
    return Priced(_late("google", "GoogleModel")(api_key=key, base_url=url, on_headers=on_headers))


def _openrouter(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    key = _key("OPENROUTER_API_KEY", settings.openrouter_api_key)
    url = _url("OPSPAWN_OPENROUTER_BASE_URL", settings.openrouter_base_url)
    referer, title = settings.openrouter_referer, settings.openrouter_title
    return Priced(OpenRouterModel(api_key=key, base_url=url, referer=referer, title=title, on_headers=on_headers))


def _openai_compatible(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    key = _key("OPENAI_COMPATIBLE_API_KEY", settings.openai_compatible_api_key)
    url = _url("OPSPAWN_OPENAI_COMPATIBLE_BASE_URL", settings.openai_compatible_base_url)
    return OpenAIModel(
        api_key=key,
        base_url=url,
        provider="openai-compatible",
        key_variable="OPENAI_COMPATIBLE_API_KEY",
        on_headers=on_headers,
    )


_BUILDERS: Mapping[str, Callable[[AgentSettings, OnHeaders], Model]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "openrouter": _openrouter,
    "openai-compatible": _openai_compatible,
}
"""A server of one's own has no price list, so what it answers isn't priced."""


def _late(module: str, name: str) -> Callable[..., Model]:
    """Return a class whose SDK takes seconds and 50 MB to import: only workers with its key pay for that."""
    built: Callable[..., Model] = getattr(import_module(f"agentkit.llm.{module}.model"), name)
    return built


def _key(variable: str, secret: SecretStr | None) -> str | None:
    """Return a key without the line end that files leave on it: it travels in a header, which takes none."""
    key = secret.get_secret_value().strip() if secret is not None else None
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigurationInvalid(f"{variable} holds characters that no key has: copy it again")
    return key


def _url(variable: str, url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigurationInvalid(f"{variable} is {url!r}: expected an address such as http://127.0.0.1:11434/v1")
    return url
