"""Limit how many requests with an invalid key or token a client may send."""

from __future__ import annotations

import logging

from agentkit.access.rate_limits import RateLimits
from api.access.client_address import client_key
from api.tasks.errors import AuthenticationFailuresLimited

__all__ = ["AuthenticationFailures"]

logger = logging.getLogger(__name__)


class AuthenticationFailures:
    """Counts the failures of each client address; of 10,000 addresses, the most recent ones.

    A valid key or token is accepted whatever the count is, as many clients may share an address.
    """

    def __init__(self, per_minute: int) -> None:
        """Allow ``per_minute`` failures of an address, at once and in the long run."""
        self._limits = RateLimits(per_minute / 60, per_minute)
        self._warnings = RateLimits(1 / 60, 1)

    def count(self, address: str) -> None:
        """Count a failure.

        Raises:
            AuthenticationFailuresLimited: the address has had too many.
        """
        client = client_key(address)
        wait = self._limits.take(client)
        if not wait:
            return
        if not self._warnings.take("all addresses"):
            logger.warning("Too many requests with an invalid key or token, now from %s", client)
        raise AuthenticationFailuresLimited(wait)
