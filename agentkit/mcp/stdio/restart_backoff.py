"""When a server that failed is started again."""

from __future__ import annotations

import time

from agentkit.errors import McpServerUnavailable

__all__ = ["RestartBackoff"]

_FIRST_S, _LONGEST_S = 1.0, 60.0
_STABLE_S = 60.0
"""A server that ran as long as this has not failed at its start, and not because of it."""


class RestartBackoff:
    """The failures of one server in a row. A server that ended for the first time is started again at once."""

    def __init__(self) -> None:
        self._failures = 0
        self._retry_at = 0.0
        self._problem: McpServerUnavailable | None = None

    def failed_to_start(self, problem: McpServerUnavailable) -> None:
        """Record that there was no connection."""
        self._failures += 1
        self._wait(problem, self._failures)

    def ended(self, problem: McpServerUnavailable, lifetime_s: float) -> None:
        """Record that the server has ended by itself after it was connected."""
        self._failures = 1 if lifetime_s >= _STABLE_S else self._failures + 1
        if self._failures > 1:
            self._wait(problem, self._failures - 1)

    def check(self) -> None:
        """Return if the server may be started now.

        Raises:
            McpServerUnavailable: it failed a short time ago; why, and when it is started again.
        """
        remaining_s = self._retry_at - time.monotonic()
        if self._problem is None or remaining_s <= 0:
            return
        head, newline, details = str(self._problem).partition("\n")
        failures = f"{self._failures} times in a row; " if self._failures > 1 else ""
        message = f"{head} ({failures}next start in {remaining_s:.0f} s at the earliest){newline}{details}"
        raise McpServerUnavailable(message, server=self._problem.server, kind=self._problem.kind)

    def _wait(self, problem: McpServerUnavailable, exponent: int) -> None:
        self._problem = problem
        self._retry_at = time.monotonic() + min(_LONGEST_S, _FIRST_S * 2 ** min(exponent - 1, 10))
