"""The span of a request's caller (header ``traceparent``): tasks that the request starts continue its trace."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from agentkit.telemetry import TraceParent, tracing_as

__all__ = ["CallerTraceMiddleware"]


class CallerTraceMiddleware:
    """Serves each request under the span of its caller; a header that isn't valid is ignored."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        text = Headers(scope=scope).get("traceparent") if scope["type"] == "http" else None
        if text is None:
            await self._app(scope, receive, send)
            return
        with tracing_as(TraceParent.read(text)):
            await self._app(scope, receive, send)
