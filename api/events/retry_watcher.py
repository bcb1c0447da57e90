"""Report calls that are being retried: history has no event until a call ends, so Temporal is polled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from pydantic import JsonValue
from pydantic_core import to_jsonable_python
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.service import RPCError

from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.interfaces import ToolProgress
from api.events.event import Event
from api.events.history_mapper import event_data
from api.events.pending_calls import PendingCall, PendingModelCall, PendingToolCall, call_error
from api.events.task_history import TaskHistory
from api.tasks.payload_decoding import unreadable_reason

__all__ = ["RetryWatcher"]

logger = logging.getLogger(__name__)

_FIRST_POLL_DELAY_S = 1.0
"""Seconds from a call's scheduling to its first poll; most calls end sooner, and are never polled."""
_MAX_POLL_DELAY_S = 5.0


class RetryWatcher:
    """Polls the pending calls of a task: seldom, and once for all watchers."""

    def __init__(
        self,
        history: TaskHistory,
        publish: Callable[[Event], None],
        *,
        first_poll_delay_s: float = _FIRST_POLL_DELAY_S,
    ) -> None:
        self._history = history
        self._publish = publish
        self._first_poll_delay_s = first_poll_delay_s
        self._run_id = ""
        self._pending: Mapping[str, PendingCall] = {}
        self._has_pending = asyncio.Event()
        self._newest: dict[str, Event] = {}
        """The newest event of each call that is being retried, by activity id."""
        self._progress: dict[str, bytes] = {}
        """The newest report of each pending tool call, as Temporal holds it, by activity id."""

    def update_pending(self, run_id: str, pending: Mapping[str, PendingCall]) -> None:
        """Set the calls that are pending now."""
        self._run_id, self._pending = run_id, pending
        self._newest = {activity_id: event for activity_id, event in self._newest.items() if activity_id in pending}
        self._progress = {activity_id: each for activity_id, each in self._progress.items() if activity_id in pending}
        if pending:
            self._has_pending.set()
        else:
            self._has_pending.clear()

    def current(self) -> Sequence[Event]:
        """Return the newest event of each call that is being retried, for new watchers."""
        return list(self._newest.values())

    async def run(self) -> None:
        """Poll and publish until cancelled."""
        delay, polled = self._first_poll_delay_s, self._pending
        while True:
            await self._has_pending.wait()
            same_calls = self._pending.keys() == polled.keys()
            delay = min(1.5 * delay, _MAX_POLL_DELAY_S) if same_calls else self._first_poll_delay_s
            polled = self._pending
            await asyncio.sleep(delay)
            if self._pending.keys() & polled.keys():
                try:
                    await self._poll()
                except (RPCError, RuntimeError):  # Temporal is away: the long poll logs it
                    continue
                except Exception:  # the boundary: later polls may succeed
                    task = self._history.task_id
                    logger.exception("Can't read the retries of task %s", task, extra={"task_id": task})

    async def _poll(self) -> None:
        for activity in await self._history.pending_activities(self._run_id):
            call = self._pending.get(activity.activity_id)
            if isinstance(call, PendingToolCall):
                await self._publish_progress(call, activity)
            if call is None or activity.attempt < 2:
                continue
            event = await self._event(call, activity)
            newest = self._newest.get(activity.activity_id)
            if activity.activity_id in self._pending and (newest is None or newest.data["attempt"] != activity.attempt):
                self._newest[activity.activity_id] = event
                self._publish(event)

    async def _publish_progress(self, call: PendingToolCall, activity: PendingActivityInfo) -> None:
        """Publish what the tool has reported, if it is new."""
        reported = activity.heartbeat_details.SerializeToString() if activity.HasField("heartbeat_details") else b""
        if not reported or self._progress.get(call.activity_id) == reported:
            return
        self._progress[call.activity_id] = reported
        try:
            (value,) = await self._history.decoder.payloads(activity.heartbeat_details)
            progress = ToolProgress.model_validate(value)
        except (ValueError, PayloadStorageFailed):  # another program's details
            return
        data: dict[str, JsonValue] = {"call": event_data(call.call), **event_data(progress)}
        self._publish(Event("tool.progress", self._history.task_id, datetime.now(UTC), data, call.step))

    async def _event(self, call: PendingCall, activity: PendingActivityInfo) -> Event:
        data: dict[str, JsonValue] = {"attempt": activity.attempt}
        if activity.maximum_attempts:
            data["max_attempts"] = activity.maximum_attempts
        if activity.HasField("last_failure"):
            data["error"] = await self._error(call, activity.last_failure)
        if activity.HasField("next_attempt_schedule_time"):
            data["next_attempt_at"] = to_jsonable_python(activity.next_attempt_schedule_time.ToDatetime(tzinfo=UTC))
        if isinstance(call, PendingModelCall):
            data["model"] = call.model
            return Event("model.retrying", self._history.task_id, datetime.now(UTC), data, call.step)
        data["call"] = event_data(call.call)
        return Event("tool.retrying", self._history.task_id, datetime.now(UTC), data, call.step)

    async def _error(self, call: PendingCall, failure: Failure) -> dict[str, JsonValue]:
        try:
            return call_error(call, await self._history.decoder.failure(failure))
        except Exception as error:  # the boundary: its details may be stored where this process can't read them
            return {**call_error(call, None), "unreadable": unreadable_reason(error)}
