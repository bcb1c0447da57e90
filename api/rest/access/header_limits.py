"""Refuse requests whose headers are too many or too long."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.rest.problems import problem_response

__all__ = ["MAX_HEADERS", "MAX_HEADER_BYTES", "MAX_HEAD_BYTES", "HeaderLimitMiddleware", "headers_too_large"]

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16_384
"""Of names and values of all headers of a request together."""
MAX_HEAD_BYTES = 65_536
"""Of URL and headers together. The longest valid URL, a search for 4,000 characters, has 48,000 bytes."""


def headers_too_large() -> Response:
    """Return the problem of a request with such headers."""
    return problem_response(
        431,
        f"A request may have {MAX_HEADERS} headers, with {MAX_HEADER_BYTES:,} bytes together, and "
        f"{MAX_HEAD_BYTES:,} bytes of URL and headers.",
        kind="headers-too-large",
        title="Too many or too long headers",
    )


class HeaderLimitMiddleware:
    """Limits the number of headers and their size.

    The HTTP parser limits only the size of URL and headers together, and only where they arrive in several reads.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond with 431."""
        headers = scope["headers"] if scope["type"] == "http" else ()
        if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            await headers_too_large()(scope, receive, send)
        else:
            await self._app(scope, receive, send)
