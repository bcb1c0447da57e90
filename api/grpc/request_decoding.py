"""Refuse requests that can't be decoded as invalid; gRPC itself would report an internal error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from api.grpc.method_handlers import call_behavior, wrap_handler
from api.grpc.status_mapping import errors_as_status
from api.tasks.errors import FieldIssue, RequestInvalid

__all__ = ["RequestDecoding"]

if TYPE_CHECKING:
    from api.grpc.method_handlers import Context, Handler


@dataclass(frozen=True, slots=True)
class _Undecodable:
    """What a request is decoded to that isn't a message of its type."""

    reason: str


class RequestDecoding(aio.ServerInterceptor):
    """Ends a call with INVALID_ARGUMENT where a request can't be decoded, or is nested too deeply."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the call's handler, which decodes with care; None: there is no such call."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        refusing = _refusing_in_stream if handler.request_streaming else _refusing
        return wrap_handler(handler, refusing, _careful(handler.request_deserializer))


def _careful(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decode_or_explain(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError as error:
            return _Undecodable(str(error))

    return decode_or_explain


def _refusing(behavior: Any) -> Any:
    """Return a servicer's method that refuses a request that can't be decoded."""

    async def call(request: object, context: Context) -> Any:
        async with errors_as_status(context):
            _decoded(request)
        return await call_behavior(behavior, request, context)

    return call


def _refusing_in_stream(behavior: Any) -> Any:
    """Return a servicer's method that ends at the first request that can't be decoded."""

    async def decoded(requests: AsyncIterator[object]) -> AsyncIterator[object]:
        async for request in requests:
            yield _decoded(request)

    async def call(requests: AsyncIterator[object], context: Context) -> Any:
        async with errors_as_status(context):
            return await call_behavior(behavior, decoded(requests), context)

    return call


def _decoded(request: object) -> object:
    if isinstance(request, _Undecodable):
        raise RequestInvalid(FieldIssue((), f"The request can't be decoded: {request.reason}"))
    return request
