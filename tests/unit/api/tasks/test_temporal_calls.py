from __future__ import annotations

import asyncio

import pytest
from temporalio.service import RPCError, RPCStatusCode

from api.tasks.errors import ServiceError, TaskNotFound, TemporalNotReady, TemporalUnreachable
from api.tasks.temporal_calls import calling_temporal

ADDRESS = "temporal.test:7233"


def rpc_error(status: RPCStatusCode, message: str = "Why.") -> RPCError:
    return RPCError(message, status, b"")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (rpc_error(RPCStatusCode.UNAVAILABLE), TemporalUnreachable, ADDRESS),
        (rpc_error(RPCStatusCode.DEADLINE_EXCEEDED), TemporalUnreachable, ADDRESS),
        (rpc_error(RPCStatusCode.RESOURCE_EXHAUSTED), TemporalUnreachable, ADDRESS),
        (rpc_error(RPCStatusCode.UNKNOWN, "transport error"), TemporalUnreachable, ADDRESS),
        (rpc_error(RPCStatusCode.INTERNAL, "h2 protocol error: http2 error"), TemporalUnreachable, ADDRESS),
        (RuntimeError("Failed client connect: refused"), TemporalUnreachable, ADDRESS),
        (TimeoutError(), TemporalUnreachable, "timed out"),
        (rpc_error(RPCStatusCode.PERMISSION_DENIED), TemporalNotReady, "TEMPORAL_API_KEY"),
        (rpc_error(RPCStatusCode.INVALID_ARGUMENT, "no search attribute X"), TemporalNotReady, "opspawn setup"),
        (rpc_error(RPCStatusCode.NOT_FOUND, "Namespace x is not found."), TemporalNotReady, "TEMPORAL_NAMESPACE"),
        (rpc_error(RPCStatusCode.NOT_FOUND, "workflow not found"), TaskNotFound, "task-1"),
    ],
)
async def test_an_error_of_temporal_becomes_ours(error: Exception, kind: type[ServiceError], text: str) -> None:
    with pytest.raises(kind, match=text):
        async with calling_temporal(ADDRESS, "task-1"):
            raise error


@pytest.mark.parametrize(
    "error",
    [
        rpc_error(RPCStatusCode.INTERNAL),
        rpc_error(RPCStatusCode.UNKNOWN, "a defect"),
        rpc_error(RPCStatusCode.NOT_FOUND, "workflow not found"),
        RuntimeError("Another one"),
    ],
    ids=["internal", "unknown", "not-found-without-a-task", "runtime"],
)
async def test_an_unexpected_error_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        async with calling_temporal(ADDRESS):
            raise error
    assert raised.value is error


async def test_calls_without_a_response_end_after_the_timeout() -> None:
    with pytest.raises(TemporalUnreachable, match="timed out"):
        async with calling_temporal(ADDRESS, timeout_s=0.01):
            await asyncio.Event().wait()
