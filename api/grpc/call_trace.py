"""The span of a call's caller (metadata ``traceparent``): tasks that the call starts continue its trace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

from agentkit.telemetry import TraceParent, tracing_as
from api.grpc.method_handlers import call_behavior, wrap_handler

__all__ = ["CallTrace"]

if TYPE_CHECKING:
    from api.grpc.method_handlers import Context, Handler


class CallTrace(aio.ServerInterceptor):
    """Serves each call under the span of its caller; metadata that isn't valid is ignored."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the call's handler; None: there is no such call."""
        handler = await continuation(handler_call_details)
        metadata = handler_call_details.invocation_metadata or ()
        text = next((value for key, value in metadata if key == "traceparent"), None)
        trace = TraceParent.read(text) if isinstance(text, str) else None
        if handler is None or trace is None:
            return handler

        def traced(behavior: Any) -> Any:
            async def call(request: Any, context: Context) -> Any:
                with tracing_as(trace):
                    return await call_behavior(behavior, request, context)

            return call

        return wrap_handler(handler, traced)
