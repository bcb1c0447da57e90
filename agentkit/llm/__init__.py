"""Language models behind ``agentkit.interfaces.Model``, one module a provider."""

from __future__ import annotations

from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import Model
from agentkit.llm.demo import DemoModel
from agentkit.llm.openai import OpenAIModel
from agentkit.settings import Settings

__all__ = ["DemoModel", "OpenAIModel", "build_models"]


def build_models(settings: Settings) -> dict[str, Model]:
    """Return a model for each provider that is set up, by the provider's name; ``demo`` always is.

    Whoever builds them closes them: ``await model.aclose()``.

    Raises:
        ConfigurationInvalid: an address is no URL; the message names the variable.
    """
    models: dict[str, Model] = {"demo": DemoModel()}
    if settings.openai_api_key is not None or settings.openai_base_url is not None:
        key = settings.openai_api_key
        _check("OPENAI_BASE_URL", settings.openai_base_url)
        models["openai"] = OpenAIModel(
            api_key=key.get_secret_value() if key else None, base_url=settings.openai_base_url
        )
    if settings.openai_compatible_base_url is not None:
        key = settings.openai_compatible_api_key
        _check("OPSPAWN_OPENAI_COMPATIBLE_BASE_URL", settings.openai_compatible_base_url)
        models["openai-compatible"] = OpenAIModel(
            api_key=key.get_secret_value() if key else None,
            base_url=settings.openai_compatible_base_url,
            provider="openai-compatible",
            key_variable="OPENAI_COMPATIBLE_API_KEY",
        )
    return models


def _check(variable: str, url: str | None) -> None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigurationInvalid(f"{variable} is {url!r}: expected an address such as http://127.0.0.1:11434/v1")
