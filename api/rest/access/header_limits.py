"""Refuse requests whose headers are too many or too long."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.rest.problems import problem_response

__all__ = ["MAX_HEADERS", "MAX_HEADER_BYTES", "HeaderLimitMiddleware", "headers_too_large"]

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16_384
"""Of names and values of all headers of a request together."""


def headers_too_large() -> Response:
    """Return the problem of a request with such headers."""
    return problem_response(
        431,
        f"The headers of a request may be {MAX_HEADERS}, and have {MAX_HEADER_BYTES:,} bytes together.",
        kind="headers-too-large",
        title="Too many or too long headers",
    )


class HeaderLimitMiddleware:
    """Counts the headers. Of what comes in one packet, the HTTP parser limits nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond with 431."""
        headers = scope["headers"] if scope["type"] == "http" else ()
        if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            await headers_too_large()(scope, receive, send)
        else:
            await self._app(scope, receive, send)
