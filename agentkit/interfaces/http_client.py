"""The ``HttpClient`` Protocol: any HTTP request to addresses that are permitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["HttpClient", "HttpReply", "HttpRequest"]


@dataclass(frozen=True)
class HttpRequest:
    """A request. ``repr`` hides secrets."""

    method: str
    url: str
    """Absolute, with http:// or https://."""
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent to the origin of ``url`` only: redirects to another one drop them."""
    secret_query: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Parameters that are added to the URL's query; redirects drop them."""
    body: bytes | None = None


@dataclass(frozen=True)
class HttpReply:
    """The response to a request."""

    url: str
    """The final URL, after redirects, without ``secret_query``."""
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    text: str | None
    """The body; HTML as readable text. None: it isn't text, or wasn't read."""
    size: int
    """The size of the body in bytes, as far as it was read."""
    truncated: bool = False
    """The body was cut at ``max_bytes``."""

    @property
    def media_type(self) -> str:
        """The body's media type, such as ``application/json``; empty if the response doesn't name one."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpClient(Protocol):
    """Sends HTTP requests to permitted addresses only: public ones, say, or those of one origin."""

    async def send(self, request: HttpRequest, *, max_bytes: int, timeout_s: float) -> HttpReply:
        """Return the response, whatever its status; ``timeout_s`` is for all redirects together.

        Raises:
            ToolError: the address isn't permitted, or the request is no valid one.
            ToolUnavailable: there was no connection: the request was not sent.
            ToolInterrupted: the connection broke off, or there was no response in time; whether the server has carried
                out the request is not known.
        """
        ...
