"""The time by Temporal's clock, to compare with times that Temporal recorded: this machine's clock may be wrong."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from weakref import WeakKeyDictionary

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode, ServiceClient

__all__ = ["temporal_now"]

_MAX_AGE_S = 600.0
"""How long a reading counts; meanwhile the time is told by how long ago it was read, not by this machine's clock."""
_TIMEOUT = timedelta(seconds=5)
_POLL_INTERVAL_S = 0.01
_CLOCK_QUEUE = "opspawn-clock"

_readings: WeakKeyDictionary[ServiceClient, tuple[float, datetime]] = WeakKeyDictionary()
"""When Temporal's clock was read (by ``time.monotonic``), and what it showed, by connection."""


async def temporal_now(client: Client) -> datetime:
    """Return the time by Temporal's clock, as read within the last ten minutes.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    reading = _readings.get(client.service_client)
    if reading is None or time.monotonic() - reading[0] > _MAX_AGE_S:
        reading = _readings[client.service_client] = await _read_clock(client)
    return reading[1] + timedelta(seconds=time.monotonic() - reading[0])


async def _read_clock(client: Client) -> tuple[float, datetime]:
    """Read the clock. No call returns it, but Temporal records when each worker polled: poll a queue of our own."""
    queue = TaskQueue(name=_CLOCK_QUEUE)
    poll = PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity=f"clock-{uuid4().hex}")
    kind = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    describe = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=queue, task_queue_type=kind)
    polling = asyncio.create_task(client.workflow_service.poll_activity_task_queue(poll, timeout=_TIMEOUT))
    try:
        while True:
            response = await client.workflow_service.describe_task_queue(describe, timeout=_TIMEOUT)
            read_at = time.monotonic()
            for poller in response.pollers:
                if poller.identity == poll.identity:
                    return read_at, poller.last_access_time.ToDatetime(tzinfo=UTC)
            if polling.done():
                polling.result()
                raise RPCError("it doesn't list this poll", RPCStatusCode.DEADLINE_EXCEEDED, b"")
            await asyncio.sleep(_POLL_INTERVAL_S)
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
