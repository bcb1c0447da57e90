"""Follow one task's history with one long poll, for all who watch the task in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCError, RPCStatusCode

from api.events.event import Event
from api.events.event_buffer import EventBuffer
from api.events.event_position import Position
from api.events.history_mapper import HistoryMapper
from api.events.live_tokens import LiveTokens
from api.events.retry_watcher import RetryWatcher
from api.events.task_history import TaskHistory

__all__ = ["TASK_GONE", "PositionKey", "TaskFeed", "is_gone", "retry_delay"]

logger = logging.getLogger(__name__)

TASK_GONE = "Temporal has deleted the task."
_MIN_RETRY_DELAY_S = 0.1
_MAX_RETRY_DELAY_S = 5.0

PositionKey = tuple[int, int, int]
"""A position as a sort key: index of the run, id of the history event, index among its events."""


def is_gone(error: Exception) -> bool:
    """Return whether Temporal has no such run (any longer). Other errors may be outages."""
    return isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND


def retry_delay(previous_s: float, *, progressed: bool) -> float:
    """Return the seconds to wait before reaching for Temporal again: doubled each time, unless there was progress."""
    return _MIN_RETRY_DELAY_S if progressed else min(max(2 * previous_s, _MIN_RETRY_DELAY_S), _MAX_RETRY_DELAY_S)


class TaskFeed:
    """A task's newest events as they happen, across its runs."""

    def __init__(
        self, history: TaskHistory, run_ids: Sequence[str], length: int, buffer: EventBuffer | None = None
    ) -> None:
        """Follow from the first event of the newest of ``run_ids``, which has ``length`` history events already."""
        self.history = history
        self.buffer = buffer or EventBuffer()
        self.retries = RetryWatcher(history, self.buffer.append)
        self.tokens = LiveTokens(self.buffer.append)
        self.run_ids = list(run_ids)
        """All runs up to the newest one that was found, in order."""
        self.watchers = 0
        self.caught_up = False
        """Whether all events that existed at the start have been appended to the buffer."""
        self.interruption: str | None = None
        """Why the feed has ended before its task; None while it follows, and at the task's end."""
        self._length = length
        self._first_run = self._run = len(run_ids) - 1
        self._last_key: PositionKey = (self._run, 0, 0)
        """Position of the newest event in the buffer."""
        self._last_history_event = (self._run, 0)
        """Index of the run, id of the history event."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to follow."""
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self.retries.run())]

    def stop(self) -> Sequence[asyncio.Task[None]]:
        """Cancel following; return the tasks to wait for."""
        for task in self._tasks:
            task.cancel()
        return self._tasks

    @property
    def buffered_after(self) -> PositionKey:
        """The key after which all durable events are in the buffer, or will be."""
        dropped = self.buffer.last_dropped
        if dropped is None or dropped.position is None:
            return (self._first_run, 0, 0)
        return self.key(dropped.position)

    def key(self, position: Position) -> PositionKey:
        """Return a position's sort key."""
        return self.run_ids.index(position.run_id), position.event_id, position.index

    def add_runs(self, run_ids: Sequence[str]) -> None:
        """Add the runs of ``run_ids`` that are newer than those of the feed."""
        self.run_ids += run_ids[len(self.run_ids) :]

    async def read(self, run: int) -> AsyncGenerator[Event, None]:
        """Yield the events of a run up to its newest, by requests of its own; ``run`` is an index of ``run_ids``."""
        mapper = HistoryMapper(self.history.task_id, self.run_ids[run])
        async with aclosing(self.history.pages(self.run_ids[run], wait=False)) as pages:
            async for page in pages:
                for history_event in page:
                    for event in await self._mapped(mapper, history_event):
                        yield event

    async def _follow(self) -> None:
        delay = 0.0
        try:
            while True:
                key_before = self._last_key
                try:
                    if not await self._follow_run():
                        return
                except (RPCError, RuntimeError) as error:
                    if is_gone(error):
                        self.interruption = TASK_GONE
                        return
                    task = self.history.task_id
                    logger.info("Temporal is away while task %s is watched: %s", task, error, extra={"task_id": task})
                    delay = retry_delay(delay, progressed=self._last_key != key_before)
                    await asyncio.sleep(delay)
        except Exception:  # the boundary: after any error, watchers must not wait for ever
            task = self.history.task_id
            logger.exception("Following task %s failed", task, extra={"task_id": task})
            self.interruption = "Following the task failed on our side; the log has the cause."
        finally:
            self.buffer.close()

    async def _follow_run(self) -> bool:
        """Follow a run until it is closed; return whether the task continues in another."""
        run_id = self.run_ids[self._run]
        mapper = HistoryMapper(self.history.task_id, run_id)
        newest: HistoryEvent | None = None
        async with aclosing(self.history.pages(run_id, wait=True)) as pages:
            async for page in pages:
                for newest in page:
                    for event in await self._mapped(mapper, newest):
                        self._append(event)
                    if (self._run, newest.event_id) > self._last_history_event:  # else it is read once more
                        self._last_history_event = self._run, newest.event_id
                        self.tokens.update_pending(run_id, mapper.pending)
                self.caught_up = self.caught_up or newest is None or newest.event_id >= self._length
                self.retries.update_pending(run_id, mapper.pending)
        if newest is None or newest.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
            return False
        continued = newest.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        self._run += 1
        if self._run == len(self.run_ids):
            self.run_ids.append(continued)
        return True

    async def _mapped(self, mapper: HistoryMapper, history_event: HistoryEvent) -> list[Event]:
        if not mapper.needs(history_event.event_type):
            return []
        return mapper.map(await self.history.decoder.decode(history_event))

    def _append(self, event: Event) -> None:
        """Append a durable event to the buffer, unless it has it: a run is read again after an outage of Temporal."""
        if event.position is None or (key := self.key(event.position)) <= self._last_key:
            return
        self._last_key = key
        self.buffer.append(event)
