"""Build the models of every provider that is configured, each with its rate limit and its prices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.model_prices import has_price_list, load_price_lists
from agentkit.config.providers import is_configured
from agentkit.interfaces import Model
from agentkit.llm.demo.model import DemoModel
from agentkit.llm.local.model import LocalModel
from agentkit.llm.shared.provider_credentials import KEY_VARIABLES, checked_key, checked_url
from agentkit.llm.shared.response_timeouts import ResponseTimeouts
from agentkit.llm.shared.streaming_model import ModelOptions, OnHeaders
from agentkit.llm.wrappers.price import PricedModel
from agentkit.llm.wrappers.rate_limit import RateLimitedModel, RateLimiter

__all__ = ["build_models"]


def build_models(settings: AgentSettings) -> dict[str, Model]:
    """Return the models by provider name: ``demo``, ``local``, and each provider that is configured.

    Each provider has one rate limiter: call this once in a process. The caller closes the models:
    ``await model.aclose()``.

    Raises:
        ConfigurationInvalid: an address is no URL, or a key has characters that no key has; it names the variable.
    """
    free_models: dict[str, Model] = {"demo": DemoModel(), "local": LocalModel()}
    models: dict[str, Model] = {name: PricedModel(model, settings.prices) for name, model in free_models.items()}
    for provider, build in _BUILDERS.items():
        if is_configured(provider, settings):
            limiter = RateLimiter(
                concurrency=settings.model_concurrency,
                requests_per_minute=settings.model_requests_per_minute,
                tokens_per_minute=settings.model_tokens_per_minute,
                max_wait_s=settings.model_max_wait,
            )
            priced = PricedModel(build(settings, limiter.read_headers), settings.prices)
            models[provider] = RateLimitedModel(priced, limiter, KEY_VARIABLES[provider])
    if any(map(has_price_list, models)):
        load_price_lists()
    return models


def _openai(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    key = checked_key(KEY_VARIABLES["openai"], settings.openai_api_key)
    url = checked_url("OPENAI_BASE_URL", settings.openai_base_url)
    options = _options(settings, on_headers, settings.openai_omit)
    build = _import_model("openai", "OpenAIModel")
    return build(api_key=key, base_url=url, api=settings.openai_api, options=options)


def _anthropic(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    key = checked_key(KEY_VARIABLES["anthropic"], settings.anthropic_api_key)
    url = checked_url("ANTHROPIC_BASE_URL", settings.anthropic_base_url)
    build = _import_model("anthropic", "AnthropicModel")
    return build(api_key=key, base_url=url, options=_options(settings, on_headers, settings.anthropic_omit))


def _google(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    key = checked_key(KEY_VARIABLES["google"], settings.google_api_key)
    url = checked_url("OPSPAWN_GOOGLE_BASE_URL", settings.google_base_url)
    build = _import_model("google", "GoogleModel")
    return build(api_key=key, base_url=url, options=_options(settings, on_headers, settings.google_omit))


def _openrouter(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    key = checked_key(KEY_VARIABLES["openrouter"], settings.openrouter_api_key)
    url = checked_url("OPSPAWN_OPENROUTER_BASE_URL", settings.openrouter_base_url)
    referer, title = settings.openrouter_referer, settings.openrouter_title
    build = _import_model("openrouter", "OpenRouterModel")
    return build(
        api_key=key,
        base_url=url,
        referer=referer,
        title=title,
        options=_options(settings, on_headers, settings.openrouter_omit),
    )


def _openai_compatible(settings: AgentSettings, on_headers: OnHeaders) -> Model:
    """Return the model of a self-hosted server: it has no price list, only the prices of the settings."""
    variable = KEY_VARIABLES["openai-compatible"]
    key = checked_key(variable, settings.openai_compatible_api_key)
    url = checked_url("OPSPAWN_OPENAI_COMPATIBLE_BASE_URL", settings.openai_compatible_base_url)
    build = _import_model("openai", "OpenAIModel")
    return build(
        api_key=key,
        base_url=url,
        provider="openai-compatible",
        key_variable=variable,
        options=_options(settings, on_headers, settings.openai_compatible_omit),
    )


_BUILDERS: Mapping[str, Callable[[AgentSettings, OnHeaders], Model]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "openrouter": _openrouter,
    "openai-compatible": _openai_compatible,
}


def _options(settings: AgentSettings, on_headers: OnHeaders, omit: Collection[str]) -> ModelOptions:
    timeouts = ResponseTimeouts(
        connect=settings.model_connect_timeout,
        first_byte=settings.model_first_byte_timeout,
        idle=settings.model_idle_timeout,
        content=settings.model_content_timeout,
    )
    return ModelOptions(timeouts=timeouts, on_headers=on_headers, omit=omit)


def _import_model(module: str, name: str) -> Callable[..., Model]:
    """Return a provider's class, imported only now: its SDK costs seconds and 50 MB, and most workers have no key."""
    model: Callable[..., Model] = getattr(import_module(f"agentkit.llm.{module}.model"), name)
    return model
