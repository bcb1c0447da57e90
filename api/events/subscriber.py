"""One watcher's way through a feed: out of history what the log doesn't hold, then out of the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from temporalio.service import RPCError

from api.events.event import Event
from api.events.live_tokens import SPOKEN
from api.events.task_feed import Feed, Place
from api.tasks.errors import WatchInterrupted

__all__ = ["Reader"]

_TOO_SLOW = "Events came faster than they were taken. Go on after the last one: nothing durable is lost."
_AWAY = "Temporal doesn't answer. Go on after the last event: nothing durable is lost."


class Reader:
    """Reads a feed at a watcher's own pace; holds nothing but how far it has come."""

    def __init__(self, feed: Feed, after: Place) -> None:
        """Read what comes after a place; of live events only those from now on."""
        self._feed = feed
        self._seen = after
        self._live_from = feed.log.end
        self._retrying = feed.retries.current()
        self._in_step = False
        """Whether it has come up with the feed: from then on, falling behind is the watcher's own doing."""
        self._listens = False
        """Whether it knows what a model has said so far, so that deltas can follow."""

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield each durable event once, in order, and live ones, until the feed ends.

        Raises:
            WatchInterrupted: the watcher is too slow, or the feed ended before its task.
        """
        log = self._feed.log
        while True:
            async for event in self._from_history():
                yield event
            number = log.first
            while number >= log.first:
                if number < log.end:
                    event = log[number]
                    number += 1
                    if self._is_new(event, number - 1):
                        yield event
                elif log.closed:
                    break
                else:
                    for event in self._come_in_step():
                        yield event
                    await log.beyond(number)
            else:
                if self._in_step:
                    raise WatchInterrupted(_TOO_SLOW)
                self._listens = False
                continue
            if self._feed.broken:
                raise WatchInterrupted(self._feed.broken)
            return

    async def _from_history(self) -> AsyncGenerator[Event, None]:
        """Yield what lies before the log, part by part."""
        while self._seen < self._feed.floor:
            part = self._seen[0]
            try:
                async with aclosing(self._feed.read(part)) as events:
                    async for event in events:
                        if self._is_new(event):
                            yield event
            except (RPCError, RuntimeError) as error:
                raise WatchInterrupted(_AWAY) from error
            if part < self._feed.floor[0]:  # so this part has ended, and is read to its end
                self._seen = max(self._seen, (part + 1, 0, 0))

    def _is_new(self, event: Event, number: int = -1) -> bool:
        if event.type in SPOKEN and not self._listens:
            return False
        if event.position is None:
            self._in_step = self._in_step or number >= self._live_from
            return number >= self._live_from
        place = self._feed.place(event.position)
        if place <= self._seen:
            return False
        self._seen = place
        return True

    def _come_in_step(self) -> Sequence[Event]:
        """Return what a newcomer is told of the present."""
        spoken = () if self._listens else self._feed.speech.current()
        self._listens = True
        if self._in_step or not self._feed.caught_up:
            return spoken
        self._in_step = True
        current = self._feed.retries.current()
        return [*(event for event in self._retrying if event in current), *spoken]
