"""How long a call keeps trying to reach an API that doesn't respond."""

from __future__ import annotations

import asyncio
import time

from agentkit.client.errors import ApiUnreachable

__all__ = ["RECONNECT_TIMEOUT_S", "ReconnectDeadline"]

RECONNECT_TIMEOUT_S = 300.0
"""Seconds without a response after which a call gives up: longer than a deploy. The task itself goes on."""
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0)
"""Seconds before each attempt; the last value repeats."""


class ReconnectDeadline:
    """Counts the consecutive failures of one call, and ends it after ``timeout_s`` seconds of them."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._failures = 0
        self._failing_since: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the first of the consecutive failures; 0 after a success."""
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    async def wait_before_retry(self, error: ApiUnreachable) -> None:
        """Count a failure, and wait before the next attempt.

        Raises:
            ApiUnreachable: ``error``, when it isn't temporary or the deadline has passed.
        """
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        if not error.temporary or self.elapsed > self._timeout_s:
            raise error
        await asyncio.sleep(_BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)])
        self._failures += 1

    def reset(self) -> None:
        """Record a success: the deadline starts again with the next failure."""
        self._failures = 0
        self._failing_since = None
