"""Publish status changes of all tasks, for dashboards: Temporal's visibility is polled once for all watchers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from activities.settings import Settings
from activities.temporal.client import temporal_address
from activities.temporal.temporal_clock import temporal_now
from agentkit.principal import Principal
from api.current_principal import current_principal
from api.events.event import Event
from api.events.event_buffer import EventBuffer
from api.tasks.errors import WatchInterrupted
from api.tasks.payload_decoding import unreadable_reason
from api.tasks.temporal_calls import RPC_TIMEOUT, calling_temporal
from api.tasks.visibility.task_visibility import visible_status
from api.tasks.visibility.tenant_access import is_visible
from workflows.search_attributes import AGENT, MEMO_TITLE
from workflows.task_types import WORKFLOW_TYPE

__all__ = ["StatusFeed"]

logger = logging.getLogger(__name__)

_POLL_INTERVAL_S = 1.0
"""Seconds between two polls; more if a poll takes long, so that polling takes a fifth of the time at most."""
_ENDED_WITHIN = timedelta(seconds=60)
"""How long ago a task may have ended to be polled: visibility lags, and clocks differ."""
_PAGE_SIZE = 1000

_Statuses = dict[str, tuple[str, WorkflowExecution]]
"""Status and execution of each task, by its id."""


class StatusFeed:
    """Status changes of tasks, about a second late: of all for an admin, else of the tenant's."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        poll_interval_s: float = _POLL_INTERVAL_S,
        clock: Callable[[Client], Awaitable[datetime]] = temporal_now,
    ) -> None:
        """Poll with ``client``; ``clock`` returns the time by the clock of its Temporal."""
        self._client = client
        self._clock = clock
        self._poll_interval_s = poll_interval_s
        self._address = temporal_address(settings)
        self._buffer = EventBuffer()
        self._statuses: _Statuses = {}
        self._watchers = 0
        self._polling: asyncio.Task[None] | None = None
        self._first_poll = asyncio.Lock()

    async def watch(self) -> AsyncGenerator[Event, None]:
        """Return status changes from now on, as an endless generator; close it.

        Raises:
            TemporalUnreachable: there are no statuses to compare with; TemporalNotReady likewise.
        """
        async with self._first_poll:
            if not self._watchers:
                async with calling_temporal(self._address):
                    self._statuses = await self._poll()
        return self._changes(self._buffer.end, current_principal())

    async def aclose(self) -> None:
        """Stop polling."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    async def _changes(self, number: int, principal: Principal) -> AsyncGenerator[Event, None]:
        self._watchers += 1
        if self._polling is None:
            self._polling = asyncio.create_task(self._keep_polling())
        try:
            while number >= self._buffer.start:
                await self._buffer.wait_for(number)
                if number >= self._buffer.start:
                    if self._is_visible(event := self._buffer[number], principal):
                        yield event
                    number += 1
            raise WatchInterrupted("Changes came faster than you read them. List the tasks, and watch again.")
        finally:
            self._watchers -= 1
            if not self._watchers and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    def _is_visible(self, event: Event, principal: Principal) -> bool:
        """Return whether a principal sees the event's task; False if that has ended long ago, unless it sees all."""
        _, execution = self._statuses.get(event.task_id, ("", None))
        return principal.has_role("admin") or (execution is not None and is_visible(execution, principal))

    async def _keep_polling(self) -> None:
        duration, is_failing = 0.0, False
        while True:
            await asyncio.sleep(max(self._poll_interval_s, 4 * duration))
            started_at = time.monotonic()
            try:
                await self._publish_changes()
                is_failing = False
            except Exception as error:  # the boundary: later polls find what changes meanwhile
                if not is_failing:
                    is_outage = isinstance(error, RPCError | RuntimeError)
                    logger.warning("Can't read the statuses of tasks; trying again: %s", error, exc_info=not is_outage)
                is_failing = True
            duration = time.monotonic() - started_at

    async def _publish_changes(self) -> None:
        statuses = await self._poll()
        for task_id, (status, execution) in statuses.items():
            if task_id not in self._statuses or self._statuses[task_id][0] != status:
                self._buffer.append(await _status_event(task_id, status, execution))
        self._statuses = statuses

    async def _poll(self) -> _Statuses:
        since = (await self._clock(self._client) - _ENDED_WITHIN).isoformat().replace("+00:00", "Z")
        running = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
        ended = (
            f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus != 'Running' "
            f"AND ExecutionStatus != 'ContinuedAsNew' AND CloseTime >= '{since}'"
        )
        statuses: _Statuses = {}
        for query in (running, ended):  # in this order: a task that ends in between is in both, and its end counts
            async for execution in self._client.list_workflows(query, page_size=_PAGE_SIZE, rpc_timeout=RPC_TIMEOUT):
                statuses[execution.id] = visible_status(execution), execution
        return statuses


async def _status_event(task_id: str, status: str, execution: WorkflowExecution) -> Event:
    data: dict[str, JsonValue] = {"status": status, "agent": execution.typed_search_attributes.get(AGENT) or ""}
    try:
        data["title"] = str(await execution.memo_value(MEMO_TITLE, ""))
    except Exception as error:  # the boundary: other clients may encode the memo in another way
        data |= {"title": "", "unreadable": unreadable_reason(error)}
    return Event("task.status", task_id, execution.close_time or datetime.now(UTC), data)
