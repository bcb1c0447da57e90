"""Count gRPC calls and their seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
from grpc import StatusCode, aio

from api.grpc.method_handlers import call_behavior, wrap_handler
from api.request_metrics import RequestMetrics

__all__ = ["CallMetrics"]

if TYPE_CHECKING:
    from api.grpc.method_handlers import Context, Handler


class CallMetrics(aio.ServerInterceptor):
    """Counts each call under its method, with its status code, when it ends."""

    def __init__(self, metrics: RequestMetrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the call's handler, which counts; None: there is no such call."""
        handler = await continuation(handler_call_details)
        if handler is None:
            self._metrics.grpc_requests.labels("other", StatusCode.UNIMPLEMENTED.name).inc()
            return None
        method = handler_call_details.method.removeprefix("/")
        is_timed = not handler.response_streaming

        def counted(behavior: Any) -> Any:
            async def call(request: Any, context: Context) -> Any:
                with self._metrics.grpc_in_flight.track_inprogress():
                    return await self._count(method, call_behavior(behavior, request, context), context, is_timed)

            return call

        return wrap_handler(handler, counted)

    async def _count(self, method: str, result: Awaitable[Any], context: Context, is_timed: bool) -> Any:
        started = time.perf_counter()
        code = StatusCode.UNKNOWN
        try:
            response = await result
            code = _code_of(context, default=StatusCode.OK)
        except asyncio.CancelledError:
            code = StatusCode.CANCELLED
            raise
        except aio.BaseError:  # the call was ended with a status, or the client has disconnected
            code = _code_of(context, default=StatusCode.UNKNOWN)
            raise
        finally:
            self._metrics.grpc_requests.labels(method, code.name).inc()
            if is_timed:
                self._metrics.grpc_seconds.labels(method).observe(time.perf_counter() - started)
        return response


def _code_of(context: Context, *, default: StatusCode) -> StatusCode:
    code: StatusCode | None = context.code()  # the stubs leave out that none may be set
    return default if code is None else code
