"""Tell status changes of all tasks, for dashboards: visibility is asked once for all who watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from activities.settings import Settings
from activities.temporal.client import temporal_address
from api.events.event import Event
from api.events.event_buffer import Log
from api.tasks.errors import WatchInterrupted
from api.tasks.task_reading import status_of
from api.tasks.temporal_calls import RPC_TIMEOUT, asking
from workflows.search_attributes import AGENT, MEMO_TITLE
from workflows.task_types import WORKFLOW_TYPE

__all__ = ["Board"]

_PAUSE = 1.0
"""Seconds between two looks; more where a look takes long, so that looking is a fifth of the time at most."""
_LOOK_BACK = timedelta(seconds=60)
"""How long ago a task may have ended to be looked at: visibility lags, and clocks differ."""
_PAGE = 1000

_Known = dict[str, tuple[str, WorkflowExecution]]
"""Status by task id."""


class Board:
    """What all tasks are, as visibility has it: a second or so behind."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._address = temporal_address(settings)
        self._log = Log()
        self._known: _Known = {}
        self._watchers = 0
        self._looking: asyncio.Task[None] | None = None
        self._first_look = asyncio.Lock()

    async def watch(self) -> AsyncGenerator[Event, None]:
        """Return status changes from now on, as an endless generator; close it.

        Raises:
            TemporalUnreachable: there is nothing to compare with; TemporalNotReady as well.
        """
        async with self._first_look:
            if not self._watchers:
                async with asking(self._address):
                    self._known = await self._look()
        return self._changes(self._log.end)

    async def aclose(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _changes(self, number: int) -> AsyncGenerator[Event, None]:
        self._watchers += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking())
        try:
            while number >= self._log.first:
                await self._log.beyond(number)
                if number >= self._log.first:
                    yield self._log[number]
                    number += 1
            raise WatchInterrupted("Changes came faster than they were taken. List the tasks, and watch again.")
        finally:
            self._watchers -= 1
            if not self._watchers and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _keep_looking(self) -> None:
        took = 0.0
        while True:
            await asyncio.sleep(max(_PAUSE, 4 * took))
            begun = time.monotonic()
            with suppress(RPCError, RuntimeError):  # Temporal is away: what changed meanwhile is told afterwards
                found = await self._look()
                for task_id, (status, execution) in found.items():
                    if task_id not in self._known or self._known[task_id][0] != status:
                        self._log.append(await _event(task_id, status, execution))
                self._known = found
            took = time.monotonic() - begun

    async def _look(self) -> _Known:
        since = (datetime.now(UTC) - _LOOK_BACK).isoformat().replace("+00:00", "Z")
        running = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
        ended = (
            f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus != 'Running' "
            f"AND ExecutionStatus != 'ContinuedAsNew' AND CloseTime >= '{since}'"
        )
        found: _Known = {}
        for query in (running, ended):  # in this order: who ends in between is in both, and the end counts
            async for execution in self._client.list_workflows(query, page_size=_PAGE, rpc_timeout=RPC_TIMEOUT):
                found[execution.id] = status_of(execution), execution
        return found


async def _event(task_id: str, status: str, execution: WorkflowExecution) -> Event:
    memo = await execution.memo()
    agent = execution.typed_search_attributes.get(AGENT) or ""
    told = {"status": status, "agent": agent, "title": str(memo.get(MEMO_TITLE, ""))}
    return Event("task.status", task_id, execution.close_time or datetime.now(UTC), told)
