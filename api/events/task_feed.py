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
from api.events.event_buffer import Log
from api.events.event_position import Position
from api.events.history_mapper import PartMapper
from api.events.live_tokens import Speech
from api.events.retry_watcher import Retries
from api.events.task_history import TaskHistory

__all__ = ["Feed", "Place"]

_log = logging.getLogger(__name__)
_SOON = 0.1
"""Seconds before the first new attempt when Temporal is away; doubled each time."""
_LATER = 5.0

Place = tuple[int, int, int]
"""Number of the part, event of history, place among what that event tells: positions in order."""


class Feed:
    """A task's newest events, as they come, across its parts."""

    def __init__(self, history: TaskHistory, parts: Sequence[str], length: int, log: Log | None = None) -> None:
        """Begin with the newest of ``parts``, which has ``length`` events of history already."""
        self.history = history
        self.log = log or Log()
        self.retries = Retries(history, self.log.append)
        self.speech = Speech(self.log.append)
        self.parts = list(parts)
        """Run ids."""
        self.watchers = 0
        self.caught_up = False
        """Whether the events that were there in the beginning are in the log, or have been."""
        self.broken: str | None = None
        """Why the feed has ended, though the task hasn't."""
        self._length = length
        self._first_part = self._part = len(parts) - 1
        self._told: Place = (self._part, 0, 0)
        self._read_to = (self._part, 0)
        self._at_work: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow."""
        self._at_work = [asyncio.create_task(self._follow()), asyncio.create_task(self.retries.watch())]

    def stop(self) -> Sequence[asyncio.Task[None]]:
        """Stop; return what is still winding up."""
        for task in self._at_work:
            task.cancel()
        return self._at_work

    @property
    def floor(self) -> Place:
        """Everything after this is in the log, or will be."""
        lost = self.log.lost
        return (self._first_part, 0, 0) if lost is None or lost.position is None else self.place(lost.position)

    def place(self, position: Position) -> Place:
        """Return a position so that it can be compared."""
        return self.parts.index(position.run_id), position.event_id, position.index

    def learn(self, parts: Sequence[str]) -> None:
        """Take parts that somebody else has found."""
        self.parts += parts[len(self.parts) :]

    async def read(self, part: int) -> AsyncGenerator[Event, None]:
        """Yield the events of a part as far as it has come, apart from the long poll."""
        mapper = PartMapper(self.history.task_id, self.parts[part])
        async with aclosing(self.history.pages(self.parts[part], wait=False)) as pages:
            async for page in pages:
                for happened in page:
                    for event in await self._mapped(mapper, happened):
                        yield event

    async def _follow(self) -> None:
        pause = _SOON
        try:
            while True:
                read = self._told
                try:
                    if not await self._follow_part():
                        return
                except (RPCError, RuntimeError) as error:
                    if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                        self.broken = "Temporal doesn't know the task any more."
                        return
                    pause = _SOON if self._told != read else min(2 * pause, _LATER)
                    _log.info("Temporal is away while task %s is watched: %s", self.history.task_id, error)
                    await asyncio.sleep(pause)
        except Exception:  # the boundary: whatever it was, the watchers must not wait for ever
            _log.exception("Following task %s failed", self.history.task_id)
            self.broken = "Following the task failed on our side; the log has the cause."
        finally:
            self.log.close()

    async def _follow_part(self) -> bool:
        """Follow a part to its end; return whether there is another."""
        run_id = self.parts[self._part]
        mapper = PartMapper(self.history.task_id, run_id)
        newest: HistoryEvent | None = None
        async with aclosing(self.history.pages(run_id, wait=True)) as pages:
            async for page in pages:
                for newest in page:
                    for event in await self._mapped(mapper, newest):
                        self._tell(event)
                    if (self._part, newest.event_id) > self._read_to:  # else read once more
                        self._read_to = self._part, newest.event_id
                        self.speech.note(run_id, mapper.pending)
                self.caught_up = self.caught_up or newest is None or newest.event_id >= self._length
                self.retries.note(run_id, mapper.pending)
        if newest is None or newest.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
            return False
        following = newest.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        self._part += 1
        if self._part == len(self.parts):
            self.parts.append(following)
        return True

    async def _mapped(self, mapper: PartMapper, happened: HistoryEvent) -> list[Event]:
        if not mapper.tells_of(happened.event_type):
            return []
        return mapper.map(await self.history.decoder.decode(happened))

    def _tell(self, event: Event) -> None:
        if event.position is None or (place := self.place(event.position)) <= self._told:
            return  # read once more after Temporal was away
        self._told = place
        self.log.append(event)
