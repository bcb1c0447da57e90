"""Make the authentication that the settings ask for."""

from __future__ import annotations

from activities.settings import Settings
from agentkit.access.keys_file import KeysFile
from agentkit.access.rate_limits import RateLimits
from api.access.authentication import Authentication

__all__ = ["authentication_of"]


def authentication_of(settings: Settings) -> Authentication:
    """Return the configured authentication, which is off without a keys file.

    Raises:
        ConfigurationInvalid: the keys file is missing or wrong.
    """
    if settings.keys_file is None:
        return Authentication()
    return Authentication(KeysFile(settings.keys_file), RateLimits(settings.rate_limit, settings.rate_burst))
