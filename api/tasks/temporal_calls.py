"""Ask Temporal with a bound, and turn its errors into ours: the one place where they cross."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from api.tasks.errors import FrontEndError, TaskNotFound, TemporalNotReady, TemporalUnreachable

__all__ = ["RPC_TIMEOUT", "asking", "workers_poll"]

RPC_TIMEOUT = timedelta(seconds=5)
"""For one call, the SDK's own attempts included."""
_LONGEST = 10.0
"""Seconds for all calls of one question; a lazy client's connecting has no bound of its own."""
_RECENT = timedelta(seconds=70)
"""A worker's long poll lasts 60 s, so a living one was seen within this."""

_AWAY = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
}
_NOT_LET_IN = {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED}


@asynccontextmanager
async def asking(address: str, task_id: str = "", *, seconds: float = _LONGEST) -> AsyncIterator[None]:
    """Ask Temporal at ``address`` inside this context.

    Raises:
        TaskNotFound: there is no workflow ``task_id``.
        TemporalUnreachable: no answer within ``seconds``.
        TemporalNotReady: the namespace, the search attributes or the credentials are wrong.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TemporalUnreachable(address, "timed out") from None
    except RPCError as error:
        raise _translated(error, address, task_id) from error
    except RuntimeError as error:  # what a lazy client raises when it can't connect
        if not str(error).startswith("Failed client connect"):
            raise
        raise TemporalUnreachable(address, "connection failed") from error


async def workers_poll(client: Client, task_queue: str) -> bool:
    """Say whether a worker polls the task queue, or did a minute ago."""
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        timeout=RPC_TIMEOUT,
    )
    now = datetime.now(UTC)
    return any(now - poller.last_access_time.ToDatetime(tzinfo=UTC) < _RECENT for poller in answer.pollers)


def _translated(error: RPCError, address: str, task_id: str) -> FrontEndError | RPCError:
    if error.status in _AWAY:
        return TemporalUnreachable(address, error.message)
    if error.status in _NOT_LET_IN:
        return TemporalNotReady(
            f"Temporal at {address} refuses our credentials: {error.message}. Set TEMPORAL_API_KEY."
        )
    if error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message:
        return TemporalNotReady(
            f"Temporal at {address} lacks Opspawn's search attributes ({error.message}). Run `opspawn setup`."
        )
    if error.status is RPCStatusCode.NOT_FOUND:
        if error.message.startswith("Namespace "):
            return TemporalNotReady(f"Temporal at {address}: {error.message} Set TEMPORAL_NAMESPACE.")
        if task_id:
            return TaskNotFound(task_id)
    return error
