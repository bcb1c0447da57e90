"""The ``Fetcher`` Protocol: HTTP GET requests to public addresses."""

from __future__ import annotations

from typing import Protocol

from agentkit.records import Record

__all__ = ["FetchResult", "Fetcher"]


class FetchResult(Record):
    """What an HTTP GET brought."""

    url: str
    """Where it came from, after redirects."""
    status: int
    content_type: str
    text: str
    truncated: bool = False


class Fetcher(Protocol):
    """GETs from public addresses only."""

    async def fetch(self, url: str, *, max_bytes: int, within: float) -> FetchResult:
        """Return the text at ``url``, cut at ``max_bytes``; ``within`` is seconds in all.

        Raises:
            ToolError: a private address, no text, or too slow.
            ToolUnavailable: the connection failed.
        """
        ...
