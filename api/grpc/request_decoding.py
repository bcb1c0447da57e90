"""Refuse requests that can't be decoded as invalid; gRPC itself would report an internal error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from api.grpc.status_mapping import errors_as_status
from api.tasks.errors import FieldIssue, RequestInvalid

__all__ = ["RequestDecoding"]

if TYPE_CHECKING:
    _Handler = grpc.RpcMethodHandler[Any, Any]  # only the types have parameters
    _Context = aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class _Undecodable:
    """What a request is decoded to that isn't a message of its type."""

    reason: str


class RequestDecoding(aio.ServerInterceptor):
    """Ends a call with INVALID_ARGUMENT where its one request can't be decoded, or is nested too deeply."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """Return the call's handler, which decodes with care; None: there is no such call."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming or handler.request_deserializer is None:
            return handler
        decode = _careful(handler.request_deserializer)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                _refusing(handler.unary_stream), decode, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(_refusing(handler.unary_unary), decode, handler.response_serializer)


def _careful(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decode_or_explain(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError as error:
            return _Undecodable(str(error))

    return decode_or_explain


def _refusing(behavior: Any) -> Any:
    """Return a servicer's method that refuses what can't be decoded."""

    async def call(request: object, context: _Context) -> Any:
        if isinstance(request, _Undecodable):
            async with errors_as_status(context):
                raise RequestInvalid(FieldIssue((), f"The request can't be decoded: {request.reason}"))
        return await behavior(request, context)

    return call
