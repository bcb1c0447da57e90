"""The models of every provider that is configured, each with its rate limit and its prices.

Settings are checked at once. SDKs are imported later: by the model's ``load``, or by its first request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.model_prices import ModelPrice, has_price_list, load_price_lists
from agentkit.config.providers import is_configured
from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import Model
from agentkit.llm.demo.model import DemoModel
from agentkit.llm.local.model import LocalModel
from agentkit.llm.shared.provider_client import check_client_environment
from agentkit.llm.shared.provider_credentials import KEY_VARIABLES, checked_key, checked_url
from agentkit.llm.shared.streaming_model import ModelOptions, OnHeaders
from agentkit.llm.shared.streams.response_timeouts import ResponseTimeouts
from agentkit.llm.wrappers.deferred_model import DeferredModel
from agentkit.llm.wrappers.price import PricedModel
from agentkit.llm.wrappers.rate_limit import RateLimitedModel, RateLimiter

__all__ = ["build_models"]

BuildModel = Callable[[], Model]
"""Imports a provider's SDK, and builds its model."""


def build_models(settings: AgentSettings) -> dict[str, Model]:
    """Return the models by provider name: ``demo``, ``local``, and each provider that is configured.

    Each provider has one rate limiter: call this once in a process. The caller closes the models:
    ``await model.aclose()``.

    Raises:
        ConfigurationInvalid: an address is no URL, or a key has characters that no key has, and it names the variable;
            a provider's SDK isn't installed; or the environment's certificates or proxy can't be used.
    """
    free_models: dict[str, Model] = {"demo": DemoModel(), "local": LocalModel()}
    models: dict[str, Model] = {name: PricedModel(model, settings.prices) for name, model in free_models.items()}
    for provider, build in _BUILDERS.items():
        if is_configured(provider, settings):
            check_client_environment()
            limiter = RateLimiter(
                concurrency=settings.model_concurrency,
                requests_per_minute=settings.model_requests_per_minute,
                tokens_per_minute=settings.model_tokens_per_minute,
                max_wait_s=settings.model_max_wait,
            )
            build_model = build(settings, limiter.read_headers)
            models[provider] = DeferredModel(
                provider, partial(_limited_model, provider, build_model, limiter, settings.prices)
            )
    return models


def _limited_model(
    provider: str, build_model: BuildModel, limiter: RateLimiter, prices: Mapping[str, ModelPrice]
) -> Model:
    """Return the model with its prices and rate limit; the lists of prices are loaded, too."""
    if has_price_list(provider):
        load_price_lists()
    return RateLimitedModel(PricedModel(build_model(), prices), limiter, KEY_VARIABLES[provider])


def _openai(settings: AgentSettings, on_headers: OnHeaders) -> BuildModel:
    key = checked_key(KEY_VARIABLES["openai"], settings.openai_api_key)
    url = checked_url("OPENAI_BASE_URL", settings.openai_base_url)
    options = _options(settings, on_headers, settings.openai_omit)
    return _deferred("openai", "OpenAIModel", api_key=key, base_url=url, api=settings.openai_api, options=options)


def _anthropic(settings: AgentSettings, on_headers: OnHeaders) -> BuildModel:
    key = checked_key(KEY_VARIABLES["anthropic"], settings.anthropic_api_key)
    url = checked_url("ANTHROPIC_BASE_URL", settings.anthropic_base_url)
    return _deferred(
        "anthropic",
        "AnthropicModel",
        api_key=key,
        base_url=url,
        options=_options(settings, on_headers, settings.anthropic_omit),
    )


def _google(settings: AgentSettings, on_headers: OnHeaders) -> BuildModel:
    key = checked_key(KEY_VARIABLES["google"], settings.google_api_key)
    url = checked_url("OPSPAWN_GOOGLE_BASE_URL", settings.google_base_url)
    return _deferred(
        "google", "GoogleModel", api_key=key, base_url=url, options=_options(settings, on_headers, settings.google_omit)
    )


def _openrouter(settings: AgentSettings, on_headers: OnHeaders) -> BuildModel:
    key = checked_key(KEY_VARIABLES["openrouter"], settings.openrouter_api_key)
    url = checked_url("OPSPAWN_OPENROUTER_BASE_URL", settings.openrouter_base_url)
    referer, title = settings.openrouter_referer, settings.openrouter_title
    return _deferred(
        "openrouter",
        "OpenRouterModel",
        api_key=key,
        base_url=url,
        referer=referer,
        title=title,
        options=_options(settings, on_headers, settings.openrouter_omit),
    )


def _openai_compatible(settings: AgentSettings, on_headers: OnHeaders) -> BuildModel:
    """Return the model of a self-hosted server: it has no price list, only the prices of the settings."""
    variable = KEY_VARIABLES["openai-compatible"]
    key = checked_key(variable, settings.openai_compatible_api_key)
    url = checked_url("OPSPAWN_OPENAI_COMPATIBLE_BASE_URL", settings.openai_compatible_base_url)
    return _deferred(
        "openai",
        "OpenAIModel",
        api_key=key,
        base_url=url,
        provider="openai-compatible",
        key_variable=variable,
        options=_options(settings, on_headers, settings.openai_compatible_omit),
    )


_BUILDERS: Mapping[str, Callable[[AgentSettings, OnHeaders], BuildModel]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "openrouter": _openrouter,
    "openai-compatible": _openai_compatible,
}


_SDKS = {"openai": "openai", "anthropic": "anthropic", "openrouter": "openai"}
"""The SDK that each package beside this module imports; that of Google needs none."""


def _options(settings: AgentSettings, on_headers: OnHeaders, omit: Collection[str]) -> ModelOptions:
    timeouts = ResponseTimeouts(
        connect=settings.model_connect_timeout,
        first_byte=settings.model_first_byte_timeout,
        idle=settings.model_idle_timeout,
        content=settings.model_content_timeout,
    )
    return ModelOptions(timeouts=timeouts, on_headers=on_headers, omit=omit)


def _deferred(module: str, name: str, **arguments: Any) -> BuildModel:
    """Return what builds a provider's model of this class: to import an SDK takes up to three seconds and 50 MB.

    Raises:
        ConfigurationInvalid: the SDK isn't installed.
    """
    sdk = _SDKS.get(module)
    if sdk is not None and find_spec(sdk) is None:
        raise ConfigurationInvalid(
            f"The models of {module} need the package {sdk}, which isn't installed here: install Opspawn again"
        )

    def build() -> Model:
        model: Callable[..., Model] = getattr(import_module(f"agentkit.llm.{module}.model"), name)
        return model(**arguments)

    return build
