"""The ``Fetcher`` Protocol: HTTP GET requests to public addresses."""

from __future__ import annotations

from typing import Protocol

from agentkit.records import Record

__all__ = ["FetchResult", "Fetcher"]


class FetchResult(Record):
    """The text at a URL."""

    url: str
    """The final URL, after redirects."""
    status: int
    content_type: str
    text: str
    truncated: bool = False
    """The text was cut at ``max_bytes``."""


class Fetcher(Protocol):
    """Sends HTTP GET requests to public addresses only."""

    async def fetch(self, url: str, *, max_bytes: int, timeout_s: float) -> FetchResult:
        """Return the text at ``url``, cut at ``max_bytes``; ``timeout_s`` is for all redirects together.

        Raises:
            ToolError: the address is private, the content isn't text, or the timeout passed.
            ToolUnavailable: the connection failed.
        """
        ...
