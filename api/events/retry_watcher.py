"""Tell of calls that are tried again: history is silent until they come to something, so Temporal is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import JsonValue
from pydantic_core import to_jsonable_python
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.service import RPCError

from api.events.event import Event
from api.events.event_data import call_error, dumped
from api.events.scheduled_calls import AskedModel, CalledTool
from api.events.task_history import TaskHistory

__all__ = ["Retries"]

_FIRST = 1.0
"""Seconds that a call may take before anybody asks about it; most don't."""
_LONGEST = 5.0
"""Seconds between two questions about a call that takes long."""

Pending = Mapping[str, AskedModel | CalledTool]


class Retries:
    """Asks about the pending calls of a task: seldom, and once for all who watch."""

    def __init__(self, history: TaskHistory, tell: Callable[[Event], None]) -> None:
        self._history = history
        self._tell = tell
        self._run_id = ""
        self._pending: Pending = {}
        self._begun = asyncio.Event()
        self._told: dict[str, Event] = {}

    def note(self, run_id: str, pending: Pending) -> None:
        """Take what is pending now."""
        self._run_id, self._pending = run_id, pending
        self._told = {one: event for one, event in self._told.items() if one in pending}
        if pending:
            self._begun.set()
        else:
            self._begun.clear()

    def current(self) -> Sequence[Event]:
        """Return the newest event of each call that is being tried again: for who has just come."""
        return list(self._told.values())

    async def watch(self) -> None:
        """Ask, and tell, for ever."""
        pause, asked_about = _FIRST, self._pending
        while True:
            await self._begun.wait()
            pause = _FIRST if self._pending.keys() != asked_about.keys() else min(1.5 * pause, _LONGEST)
            asked_about = self._pending
            await asyncio.sleep(pause)
            if self._pending.keys() & asked_about.keys():
                with suppress(RPCError, RuntimeError):  # Temporal is away: the long poll says so
                    await self._ask()

    async def _ask(self) -> None:
        for info in await self._history.pending(self._run_id):
            call = self._pending.get(info.activity_id)
            if call is None or info.attempt < 2:
                continue
            event = await self._event(call, info)
            told = self._told.get(info.activity_id)
            if info.activity_id in self._pending and (told is None or told.data["attempt"] != info.attempt):
                self._told[info.activity_id] = event
                self._tell(event)

    async def _event(self, call: AskedModel | CalledTool, info: PendingActivityInfo) -> Event:
        data: dict[str, JsonValue] = {"attempt": info.attempt}
        if info.maximum_attempts:
            data["max_attempts"] = info.maximum_attempts
        if info.HasField("last_failure"):
            data["error"] = call_error(call, await self._history.decoder.failure(info.last_failure))
        if info.HasField("next_attempt_schedule_time"):
            data["next_attempt_at"] = to_jsonable_python(info.next_attempt_schedule_time.ToDatetime(tzinfo=UTC))
        if isinstance(call, AskedModel):
            data["model"] = call.model
            return Event("model.retrying", self._history.task_id, datetime.now(UTC), data, call.step)
        data["call"] = dumped(call.call)
        return Event("tool.retrying", self._history.task_id, datetime.now(UTC), data, call.step)
