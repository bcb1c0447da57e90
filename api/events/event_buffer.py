"""The newest events of a stream, kept once for all who watch it, within bounds."""

from __future__ import annotations

import asyncio
from collections import deque

from api.events.event import Event

__all__ = ["Log"]

_MOST = 2_000
_MOST_BYTES = 4 * 1_048_576


class Log:
    """Events by number. Watchers read at their own pace, and cost nothing each; who falls behind the oldest loses."""

    def __init__(self, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        """Keep ``most`` events, and ``most_bytes`` of JSON, but always the newest one."""
        self._events: deque[Event] = deque()
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._news = asyncio.Event()
        self.first = 0
        """Number of the oldest event that is here."""
        self.lost: Event | None = None
        """The newest durable event that isn't here any more."""
        self.closed = False

    @property
    def end(self) -> int:
        """The number after the newest event's."""
        return self.first + len(self._events)

    def __getitem__(self, number: int) -> Event:
        return self._events[number - self.first]

    def append(self, event: Event) -> None:
        """Add an event, unless the log is closed; the oldest go when there are too many."""
        if self.closed:
            return
        self._events.append(event)
        self._bytes += len(event.json)
        while len(self._events) > self._most or (self._bytes > self._most_bytes and len(self._events) > 1):
            self._drop()
        self._wake()

    def close(self) -> None:
        """Say that nothing will follow."""
        self.closed = True
        self._wake()

    async def beyond(self, number: int) -> None:
        """Wait until there is an event of this number, or the log is closed."""
        while self.end <= number and not self.closed:
            await self._news.wait()

    def _drop(self) -> None:
        event = self._events.popleft()
        self._bytes -= len(event.json)
        self.first += 1
        if event.position is not None:
            self.lost = event

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
