"""Which providers of models there are, and what each needs. No SDK is imported here."""

from __future__ import annotations

from agentkit.errors import ConfigurationInvalid
from agentkit.settings import Settings

__all__ = ["PROVIDERS", "default_model", "missing", "split_model"]

PROVIDERS = ("demo", "openai", "openai-compatible")
"""Every name that may stand before the colon of a model."""

_DEFAULT_MODELS = {"demo": "demo", "openai": "gpt-5-mini"}


def split_model(model: str) -> tuple[str, str]:
    """Split ``provider:name``; the name may hold further colons.

    Raises:
        ConfigurationInvalid: no colon, no name, or a provider that isn't there.
    """
    provider, colon, name = model.partition(":")
    if provider not in PROVIDERS:
        raise ConfigurationInvalid(
            f"Model {model!r}: unknown provider {provider!r}. Write provider:name with one of {', '.join(PROVIDERS)}"
        )
    if provider == "demo" and not name:
        return "demo", "demo"
    if not colon or not name:
        raise ConfigurationInvalid(f"Model {model!r}: expected provider:name, such as openai:gpt-5-mini")
    return provider, name


def default_model(settings: Settings) -> str:
    """Return the model of agents that name none: as configured, else OpenAI where it is set up, else ``demo``.

    A configured model without a provider is OpenAI's, unless it is written ``provider:name``.
    """
    configured = settings.default_model or ""
    if settings.default_provider is None and configured.partition(":")[0] in PROVIDERS:
        return configured
    openai_ready = bool(settings.openai_api_key or settings.openai_base_url or configured)
    provider = settings.default_provider or ("openai" if openai_ready else "demo")
    name = settings.default_model or _DEFAULT_MODELS.get(provider)
    if name is None:
        raise ConfigurationInvalid(f"AGENTKIT_LLM_MODEL isn't set, and provider {provider!r} has no default model")
    return f"{provider}:{name}"


def missing(model: str, settings: Settings) -> str | None:
    """Return what must be set before ``model`` can be asked, as a sentence for a person; None when all is there."""
    provider, _ = split_model(model)
    if provider == "openai" and settings.openai_api_key is None and settings.openai_base_url is None:
        return f"Model {model!r} needs a key: set OPENAI_API_KEY (or OPENAI_BASE_URL for a server without keys)"
    if provider == "openai-compatible" and settings.openai_compatible_base_url is None:
        return f"Model {model!r} needs an address: set OPSPAWN_OPENAI_COMPATIBLE_BASE_URL, such as http://127.0.0.1:11434/v1"
    return None
