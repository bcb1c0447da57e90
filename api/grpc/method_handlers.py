"""Wrap the methods of gRPC servicers: what interceptors have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from inspect import isasyncgen
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

__all__ = ["call_behavior", "wrap_handler"]

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]  # only the types have parameters
    Context = aio.ServicerContext[Any, Any]


def wrap_handler(handler: Handler, wrap: Callable[[Any], Any], decode: Callable[[bytes], Any] | None = None) -> Handler:
    """Return a handler whose method is ``wrap`` of this one's, and which decodes requests by ``decode``, if given."""
    kind = (handler.request_streaming, handler.response_streaming)
    constructor, behavior = {
        (False, False): (grpc.unary_unary_rpc_method_handler, handler.unary_unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, handler.unary_stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, handler.stream_unary),
        (True, True): (grpc.stream_stream_rpc_method_handler, handler.stream_stream),
    }[kind]
    make: Any = constructor
    wrapped: Handler = make(wrap(behavior), decode or handler.request_deserializer, handler.response_serializer)
    return wrapped


async def call_behavior(behavior: Any, request: Any, context: Context) -> Any:
    """Call a servicer's method: return its response, or write all that it yields if it is a generator."""
    result = behavior(request, context)
    if not isasyncgen(result):
        return await result
    async with aclosing(result):
        async for response in result:
            await context.write(response)
    return None
