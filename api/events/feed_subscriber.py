"""Read a feed for one watcher: from history the events that its buffer has dropped, then from the buffer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from temporalio.service import RPCError

from api.events.event import Event
from api.events.live_tokens import TOKEN_EVENTS
from api.events.task_feed import TASK_GONE, PositionKey, TaskFeed, is_gone, retry_delay
from api.tasks.errors import WatchInterrupted

__all__ = ["FeedSubscriber", "each_event"]

_MAX_BATCH_BYTES = 16_384
"""Of JSON; a batch ends with the event that reaches it. A quarter of what a connection buffers before it waits."""
_TOO_SLOW = "Events came faster than you read them. Resume after the last one: nothing durable is lost."


async def each_event(batches: AsyncGenerator[Sequence[Event], None]) -> AsyncGenerator[Event, None]:
    """Yield the events of ``batches`` one by one. Close it: that closes the batches."""
    async with aclosing(batches):
        async for batch in batches:
            for event in batch:
                yield event


class FeedSubscriber:
    """Reads a feed at its watcher's own pace. Keeps no events."""

    def __init__(self, feed: TaskFeed, after: PositionKey) -> None:
        """Read the durable events after ``after``, and the live ones from now on."""
        self._feed = feed
        self._last_key = after
        self._live_from = feed.buffer.end
        """Number of the first event that is live for this watcher."""
        self._retrying = feed.retries.current()
        self._caught_up = False
        """Whether it has read all that the feed had: from then on, a watcher that falls behind is too slow."""
        self._has_tokens = False
        """Whether the watcher has all deltas of the response in progress, so that further ones can follow."""

    async def batches(self) -> AsyncGenerator[Sequence[Event], None]:
        """Yield each durable event once, in order, and live ones, until the feed ends: those at once that are there.

        Raises:
            WatchInterrupted: the watcher is too slow, or the feed ended before its task.
        """
        buffer = self._feed.buffer
        while True:
            async for event in self._from_history():
                yield [event]
            number = buffer.start
            while number >= buffer.start:
                if number < buffer.end:
                    batch, number = self._accepted(number)
                    if batch:
                        yield batch
                elif buffer.closed:
                    break
                else:
                    if events := self._catch_up():
                        yield events
                    await buffer.wait_for(number)
            else:
                if self._caught_up:
                    raise WatchInterrupted(_TOO_SLOW)
                self._has_tokens = False
                continue
            if self._feed.interruption:
                raise WatchInterrupted(self._feed.interruption)
            return

    def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events of ``batches`` one by one; raise as it does."""
        return each_event(self.batches())

    def _accepted(self, number: int) -> tuple[Sequence[Event], int]:
        """Return the next events to yield of those in the buffer from ``number``, and the number after them."""
        buffer, batch, size = self._feed.buffer, list[Event](), 0
        while number < buffer.end and size < _MAX_BATCH_BYTES:
            event = buffer[number]
            if self._accept(event, number):
                batch.append(event)
                size += len(event.json)
            number += 1
        return batch, number

    async def _from_history(self) -> AsyncGenerator[Event, None]:
        """Yield the events before the buffer's, run by run. While Temporal is away, yield none and try again."""
        delay = 0.0
        while self._last_key < self._feed.buffered_after:
            run, key_before = self._last_key[0], self._last_key
            try:
                async with aclosing(self._feed.read(run)) as events:
                    async for event in events:
                        if self._accept(event):
                            yield event
            except (RPCError, RuntimeError) as error:
                if is_gone(error) or self._feed.interruption:
                    raise WatchInterrupted(self._feed.interruption or TASK_GONE) from error
                delay = retry_delay(delay, progressed=self._last_key != key_before)
                await asyncio.sleep(delay)
                continue
            if run < self._feed.buffered_after[0]:  # then the run is closed, and read to its end
                self._last_key = max(self._last_key, (run + 1, 0, 0))

    def _accept(self, event: Event, number: int = -1) -> bool:
        """Return whether to yield the event, and advance the position; ``number`` is its index in the feed's buffer."""
        if event.type in TOKEN_EVENTS and not self._has_tokens:
            return False
        if event.position is None:
            self._caught_up = self._caught_up or number >= self._live_from
            return number >= self._live_from
        key = self._feed.key(event.position)
        if key <= self._last_key:
            return False
        self._last_key = key
        return True

    def _catch_up(self) -> Sequence[Event]:
        """Return live events of the present, which a new watcher gets once it has read all durable ones."""
        tokens = () if self._has_tokens else self._feed.tokens.current()
        self._has_tokens = True
        if self._caught_up or not self._feed.caught_up:
            return tokens
        self._caught_up = True
        retrying = self._feed.retries.current()
        return [*(event for event in self._retrying if event in retrying), *tokens]
