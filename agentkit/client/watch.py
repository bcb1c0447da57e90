"""Watch a task, reconnecting whenever the connection breaks."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from agentkit.client.api_connection import ApiConnection
from agentkit.client.errors import ApiUnreachable
from agentkit.client.reconnect_deadline import ReconnectDeadline
from agentkit.client.task_events import TaskEvent

__all__ = ["ConnectionLost", "ConnectionRestored", "TaskUpdate", "watch"]

_STABLE_AFTER_S = 5.0
"""Seconds after which an open stream counts as a success, even without an event."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The API can't be reached; the client keeps trying. The task goes on meanwhile."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionRestored:
    """The API responds again. Durable events continue without a gap; live ones of the meantime are lost."""

    seconds: float
    """How long the connection was lost."""


TaskUpdate = TaskEvent | ConnectionLost | ConnectionRestored


async def watch(
    connection: ApiConnection, path: str, after: str | None, deadline: ReconnectDeadline
) -> AsyncGenerator[TaskUpdate, None]:
    """Yield each durable event after position ``after`` once and in order, live events, and breaks of the connection.

    Raises:
        ClientError: the API refused, or the deadline passed without a response.
    """
    lost = False
    while True:
        received, opened_at = False, math.inf
        try:
            async with connection.stream_events(path, after) as events:
                opened_at = time.monotonic()
                if lost:
                    lost = False
                    yield ConnectionRestored(deadline.elapsed)
                if events is None:
                    return
                async for event in events:
                    received, after = True, event.position or after
                    yield event
                    if event.last:
                        return
            error = ApiUnreachable(f"{connection.url} ended the stream before the task's end.", temporary=True)
            # The API is stopping, or this client was too slow: usually the next attempt succeeds at once.
            report_loss = not received
        except ApiUnreachable as unreachable:
            error, report_loss = unreachable, True
        if received or time.monotonic() - opened_at > _STABLE_AFTER_S:
            deadline.reset()
        if error.temporary and not lost and report_loss:
            lost = True
            yield ConnectionLost(str(error))
        await deadline.wait_before_retry(error)
