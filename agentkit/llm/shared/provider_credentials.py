"""Keys and addresses of providers from settings, as requests can have them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from agentkit.errors import ConfigurationInvalid

__all__ = ["KEY_VARIABLES", "checked_key", "checked_url"]

KEY_VARIABLES: Mapping[str, str] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "openai-compatible": "OPENAI_COMPATIBLE_API_KEY",
}
"""The variable of each provider's key, which errors name."""


def checked_key(variable: str, secret: SecretStr | None) -> str | None:
    """Return a key without surrounding white space, such as a file's line end, which a header can't contain.

    Raises:
        ConfigurationInvalid: it has characters that no key has.
    """
    key = secret.get_secret_value().strip() if secret is not None else None
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigurationInvalid(f"{variable} has characters that no key has: copy it again")
    return key


def checked_url(variable: str, url: str | None) -> str | None:
    """Return an address.

    Raises:
        ConfigurationInvalid: it is none.
    """
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigurationInvalid(f"{variable} is {url!r}: expected an address such as http://127.0.0.1:11434/v1")
    return url
