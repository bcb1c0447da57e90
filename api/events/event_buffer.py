"""The newest events of a stream, kept once for all its readers, within bounds."""

from __future__ import annotations

import asyncio
from collections import deque

from api.events.event import Event

__all__ = ["EventBuffer"]

_MAX_EVENTS = 2_000
_MAX_BYTES = 4 * 1_048_576


class EventBuffer:
    """Events by number, from 0. Each reader keeps the number of its next event, and misses events that were dropped."""

    def __init__(self, max_events: int = _MAX_EVENTS, max_bytes: int = _MAX_BYTES) -> None:
        """Keep at most ``max_events``, and ``max_bytes`` of JSON; the newest event is always kept."""
        self._events: deque[Event] = deque()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._bytes = 0
        self._changed = asyncio.Event()
        self.start = 0
        """Number of the oldest event that is kept."""
        self.last_dropped: Event | None = None
        """The newest durable event that is not kept any longer."""
        self.closed = False

    @property
    def end(self) -> int:
        """The number after the newest event's."""
        return self.start + len(self._events)

    def __getitem__(self, number: int) -> Event:
        return self._events[number - self.start]

    def append(self, event: Event) -> None:
        """Add an event, and drop the oldest ones when there are too many. Does nothing when the buffer is closed."""
        if self.closed:
            return
        self._events.append(event)
        self._bytes += len(event.json)
        while len(self._events) > self._max_events or (self._bytes > self._max_bytes and len(self._events) > 1):
            self._drop_oldest()
        self._notify()

    def close(self) -> None:
        """Accept no further events; readers that wait return."""
        self.closed = True
        self._notify()

    async def wait_for(self, number: int) -> None:
        """Wait until the event of this number has been added, or the buffer is closed."""
        while self.end <= number and not self.closed:
            await self._changed.wait()

    def _drop_oldest(self) -> None:
        event = self._events.popleft()
        self._bytes -= len(event.json)
        self.start += 1
        if event.position is not None:
            self.last_dropped = event

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
