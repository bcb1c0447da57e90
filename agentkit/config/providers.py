"""The providers of models, and the settings that each needs. No SDK is imported here."""

from __future__ import annotations

from collections.abc import Iterable

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.local_models import local_model_path
from agentkit.errors import ConfigurationInvalid
from agentkit.validation.validation_messages import most_similar

__all__ = [
    "PROVIDERS",
    "default_model",
    "is_configured",
    "is_unconfigured",
    "missing_configuration",
    "models_to_check",
    "split_model",
]

PROVIDERS = ("demo", "openai", "anthropic", "google", "openrouter", "openai-compatible", "local")
"""Every name that is allowed before the colon of a model."""

_DEFAULT_MODELS = {
    "demo": "demo",
    "openai": "gpt-5-mini",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "openrouter": "openai/gpt-5-mini",
    "local": "smollm2",
}
_PREFERRED = ("openai", "anthropic", "google", "openrouter")
"""The first one that is configured is the default provider."""

_OTHER_NAMES = {
    "chatgpt": "openai",
    "claude": "anthropic",
    "gemini": "google",
    "gpt": "openai",
    "llama.cpp": "openai-compatible",
    "lmstudio": "openai-compatible",
    "ollama": "openai-compatible",
    "smollm2": "local",
    "vllm": "openai-compatible",
}
"""What people write for a provider: a product of it, or a server that speaks its API."""

_REQUIREMENTS = {
    "openai": "a key: set OPENAI_API_KEY (or OPENAI_BASE_URL for a server without keys)",
    "anthropic": "a key: set ANTHROPIC_API_KEY (or ANTHROPIC_BASE_URL for a server without keys)",
    "google": "a key: set GOOGLE_API_KEY or GEMINI_API_KEY (or OPSPAWN_GOOGLE_BASE_URL for a server without keys)",
    "openrouter": "a key: set OPENROUTER_API_KEY (or OPSPAWN_OPENROUTER_BASE_URL for a server without keys)",
    "openai-compatible": "an address: set OPSPAWN_OPENAI_COMPATIBLE_BASE_URL, such as http://127.0.0.1:11434/v1",
}


def split_model(model: str) -> tuple[str, str]:
    """Split ``provider:name``; the name may contain further colons.

    Raises:
        ConfigurationInvalid: the colon or name is missing, or the provider is unknown.
    """
    provider, colon, name = model.partition(":")
    if provider not in PROVIDERS:
        raise ConfigurationInvalid(
            f"Model {model!r}: unknown provider {provider!r}.{_did_you_mean(_intended_model(model))} "
            f"Write provider:name with one of {', '.join(PROVIDERS)}"
        )
    if provider == "demo" and not name:
        return "demo", "demo"
    if not colon or not name:
        raise ConfigurationInvalid(f"Model {model!r}: expected provider:name, such as openai:gpt-5-mini")
    return provider, name


def default_model(settings: AgentSettings) -> str:
    """Return the model of agents that name none: the configured one, else the first configured provider's, else demo.

    If only a model is set and it isn't written ``provider:name``, it belongs to the first configured provider, or to
    OpenAI.

    Raises:
        ConfigurationInvalid: the provider is unknown, or it has no default model and none is set.
    """
    configured = settings.default_model or ""
    if settings.default_provider not in (None, *PROVIDERS):
        hint = _did_you_mean(_intended_provider(settings.default_provider or ""))
        raise ConfigurationInvalid(
            f"AGENTKIT_LLM_PROVIDER is {settings.default_provider!r}, an unknown provider.{hint} "
            f"Providers: {', '.join(PROVIDERS)}"
        )
    if settings.default_provider is None and ":" in configured:
        named = configured.partition(":")[0]
        if named in PROVIDERS or _intended_provider(named):
            return ":".join(split_model(configured))
    configured_providers = (provider for provider in _PREFERRED if is_configured(provider, settings))
    provider = settings.default_provider or next(configured_providers, "openai" if configured else "demo")
    name = configured or _DEFAULT_MODELS.get(provider)
    if name is None:
        raise ConfigurationInvalid(f"AGENTKIT_LLM_MODEL isn't set, and provider {provider!r} has no default model")
    return f"{provider}:{name}"


def is_unconfigured(settings: AgentSettings) -> bool:
    """Return whether no model, no provider and no key is set, so that agents that name no model use ``demo``."""
    return (
        settings.default_provider is None
        and settings.default_model is None
        and not any(is_configured(provider, settings) for provider in _PREFERRED)
    )


def missing_configuration(model: str, settings: AgentSettings) -> str | None:
    """Return the setting that ``model`` needs and lacks, as a sentence for a person; None if it lacks nothing."""
    provider, name = split_model(model)
    if provider == "local":
        return _missing_local_model(name)
    return None if is_configured(provider, settings) else f"Model {model!r} needs {_REQUIREMENTS[provider]}"


def models_to_check(named: Iterable[str], settings: AgentSettings) -> list[str]:
    """Return the models that agents name, and the default one of each other provider that has a key.

    Providers with another base URL are left out: which models such a server has is unknown.
    """
    models = list(named)
    providers = {model.partition(":")[0] for model in models}
    keys = {
        "openai": (settings.openai_api_key, settings.openai_base_url),
        "anthropic": (settings.anthropic_api_key, settings.anthropic_base_url),
        "google": (settings.google_api_key, settings.google_base_url),
        "openrouter": (settings.openrouter_api_key, settings.openrouter_base_url),
    }
    models += [
        f"{provider}:{_DEFAULT_MODELS[provider]}"
        for provider, (key, url) in keys.items()
        if key is not None and url is None and provider not in providers
    ]
    return models


def is_configured(provider: str, settings: AgentSettings) -> bool:
    """Return whether a provider has a key or a base URL; ``demo`` and ``local`` need neither."""
    match provider:
        case "openai":
            values = (settings.openai_api_key, settings.openai_base_url)
        case "anthropic":
            values = (settings.anthropic_api_key, settings.anthropic_base_url)
        case "google":
            values = (settings.google_api_key, settings.google_base_url)
        case "openrouter":
            values = (settings.openrouter_api_key, settings.openrouter_base_url)
        case "openai-compatible":
            values = (None, settings.openai_compatible_base_url)
        case _:
            return True
    return any(value is not None for value in values)


def _intended_model(model: str) -> str | None:
    """Return the ``provider:name`` that was probably meant, or only the provider; None if that can't be guessed."""
    provider, separator, name = model.partition(":")
    if not separator:
        provider, separator, name = model.partition("/")
    intended = _intended_provider(provider)
    if separator:
        return f"{intended}:{name}" if intended and name else intended
    product = next((name for name in sorted(_OTHER_NAMES) if model.lower().startswith(f"{name}-")), None)
    return f"{_OTHER_NAMES[product]}:{model}" if product else intended


def _intended_provider(name: str) -> str | None:
    """Return the provider that was probably meant; None if no name is similar."""
    return _OTHER_NAMES.get(name.lower()) or most_similar(name.lower(), PROVIDERS)


def _did_you_mean(intended: str | None) -> str:
    return f" Did you mean {intended!r}?" if intended else ""


def _missing_local_model(name: str) -> str | None:
    try:
        local_model_path(name)
    except ConfigurationInvalid as error:
        return str(error)
    return None
