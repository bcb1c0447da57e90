"""How long to go on trying while the API doesn't answer."""

from __future__ import annotations

import asyncio
import time

from agentkit.client.errors import ApiUnreachable

__all__ = ["PATIENCE", "Patience"]

PATIENCE = 300.0
"""Seconds without an answer after which a call gives up; the task itself goes on."""
_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds before the next attempt; the last one repeats."""


class Patience:
    """One call's attempts. It is spent by failures in a row, and whole again after an answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._failures = 0
        self._failing_since: float | None = None

    @property
    def spent(self) -> float:
        """Seconds since answers stayed away; 0 while they come."""
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    async def pause(self, error: ApiUnreachable) -> None:
        """Wait before the next attempt.

        Raises:
            ApiUnreachable: the error that was given, where it won't pass, or hasn't passed for too long.
        """
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        if not error.passing or self.spent > self._seconds:
            raise error
        await asyncio.sleep(_PAUSES[min(self._failures, len(_PAUSES) - 1)])
        self._failures += 1

    def restore(self) -> None:
        """Note an answer."""
        self._failures = 0
        self._failing_since = None
