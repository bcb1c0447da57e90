"""Publish the tokens of model responses while they are generated, without delaying the model.

A model activity publishes into ``TokenStreams``; each API process that is connected has a ``TokenSubscriber``, which
collects batches for the tasks that are watched there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from activities.streaming.token_batches import BatchKind, ResponseId, TokenBatch, TokenBuffer, joined
from agentkit.interfaces import Emit, ModelDelta

__all__ = ["NullTokenPublisher", "TokenPublisher", "TokenStreams", "TokenSubscriber"]

_BATCH_INTERVAL_PER_TASK_S = 0.0004
"""Time between two batches of a response, for each task with an open stream: it bounds the batches per second."""
_MIN_BATCH_INTERVAL_S = 0.005
_MAX_BATCH_INTERVAL_S = 0.025
"""Bounds of the time between two batches of a response. The first batch is due at once."""
_SEND_INTERVAL_S = 0.003
"""The shortest time between two lists of batches."""
_MAX_PENDING_CHARS = 65_536
"""The most unsent characters of one response for one subscriber. Beyond, it gets a restart with all text so far."""
_MAX_SEND_CHARS = 262_144
"""Characters after which no further batch is added to a list of batches."""
_MAX_RESPONSE_CHARS = 1_048_576
"""The most characters of a response that are published; providers' clients stop reading at as many."""
_ACKNOWLEDGE_TIMEOUT_S = 0.05
"""How long a complete response waits for its subscribers before the workflow gets it."""


class TokenPublisher(Protocol):
    """Publishes the deltas of model responses."""

    def publishing(self, response_id: ResponseId) -> AbstractAsyncContextManager[Emit | None]:
        """Return a context manager that yields the callback for a response's deltas, or None if nobody needs them.

        The response is complete when the block ends without an error.
        """
        ...


class NullTokenPublisher:
    """Publishes nothing: for workers without subscribers."""

    @asynccontextmanager
    async def publishing(self, response_id: ResponseId) -> AsyncIterator[Emit | None]:
        """Yield None: there is no callback."""
        yield None


class TokenStreams:
    """The open token streams of this process, one for each response in progress. Used from one event loop."""

    def __init__(self) -> None:
        self._open: dict[str, list[_ResponseStream]] = {}
        self.subscribers: set[TokenSubscriber] = set()

    @asynccontextmanager
    async def publishing(self, response_id: ResponseId) -> AsyncIterator[Emit]:
        """Keep the response's deltas while the context lasts, and publish them to those who watch the task."""
        stream = _ResponseStream(response_id)
        self._open.setdefault(response_id.task_id, []).append(stream)
        for subscriber in self.subscribers:
            subscriber.on_open(stream)
        try:
            yield stream.append
            await stream.flush()
        finally:
            for subscription in stream.subscriptions:
                subscription.subscriber.discard_pending(response_id)
            streams = self._open[response_id.task_id]
            streams.remove(stream)
            if not streams:
                del self._open[response_id.task_id]

    @property
    def open_task_count(self) -> int:
        """Number of tasks with open streams."""
        return len(self._open)

    def open_streams(self, task_id: str) -> Sequence[_ResponseStream]:
        """Return a task's open streams."""
        return self._open.get(task_id, ())


class TokenSubscriber:
    """Collects batches of the tasks that it watches, to be read by ``next_batches``."""

    def __init__(self, streams: TokenStreams) -> None:
        """Subscribe until ``close``."""
        self._streams = streams
        self._watched: set[str] = set()
        self._pending: dict[ResponseId, _Subscription] = {}
        self._pending_changed = asyncio.Event()
        self._number = 0
        self._unacknowledged: dict[int, list[asyncio.Future[None]]] = {}
        """By number of a list of batches: the futures of the complete responses in it."""
        self._send_not_before = 0.0
        streams.subscribers.add(self)

    def watch(self, task_id: str) -> None:
        """Collect a task's deltas; of open streams all text so far, even when the task is watched already."""
        self.unwatch(task_id)
        self._watched.add(task_id)
        for stream in self._streams.open_streams(task_id):
            self.on_open(stream)

    def unwatch(self, task_id: str) -> None:
        """Collect nothing more of a task."""
        self._watched.discard(task_id)
        for stream in self._streams.open_streams(task_id):
            stream.subscriptions = [each for each in stream.subscriptions if each.subscriber is not self]
            self.discard_pending(stream.response_id)

    def on_open(self, stream: _ResponseStream) -> None:
        """Subscribe to a stream, if its task is watched."""
        if stream.response_id.task_id not in self._watched or stream.too_long:
            return
        restart = bool(stream.buffer.chars) or stream.response_id.attempt > 1
        subscription = _Subscription(self, stream, "restart" if restart else "start")
        stream.subscriptions.append(subscription)
        if restart:
            self.add_pending(subscription)

    def add_pending(self, subscription: _Subscription) -> None:
        """Queue a subscription that has a batch to send."""
        self._pending[subscription.stream.response_id] = subscription
        self._pending_changed.set()

    def discard_pending(self, response_id: ResponseId) -> None:
        """Send nothing more of a response."""
        subscription = self._pending.pop(response_id, None)
        if subscription is not None and subscription.acknowledged is not None:
            subscription.acknowledged.cancel()

    async def next_batches(self) -> tuple[int, list[TokenBatch]]:
        """Wait until batches are due; return the number of this list, from 1, and its batches, one per response."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._send_not_before - loop.time())
        while True:
            if not self._pending:
                self._pending_changed.clear()
            await self._pending_changed.wait()
            if batches := self._due_batches(loop.time()):
                self._send_not_before = loop.time() + _SEND_INTERVAL_S
                return self._number, batches
            await asyncio.sleep(_SEND_INTERVAL_S)

    def acknowledge(self, number: int) -> None:
        """Mark all lists of batches up to this number as received by the API process."""
        for received in [each for each in self._unacknowledged if each <= number]:
            for acknowledged in self._unacknowledged.pop(received):
                if not acknowledged.done():
                    acknowledged.set_result(None)

    def close(self) -> None:
        """Unsubscribe; no response waits for this subscriber any longer."""
        self._streams.subscribers.discard(self)
        for task_id in [*self._watched]:
            self.unwatch(task_id)
        self.acknowledge(self._number)

    def _due_batches(self, now: float) -> list[TokenBatch]:
        due: list[_Subscription] = []
        chars = 0
        for subscription in self._pending.values():
            if subscription.due_at <= now and chars <= _MAX_SEND_CHARS:
                due.append(subscription)
                chars += subscription.next_batch_chars
        for subscription in due:
            del self._pending[subscription.stream.response_id]
        self._number += bool(due)
        if complete := [each.acknowledged for each in due if each.acknowledged is not None]:
            self._unacknowledged[self._number] = complete
        interval = _BATCH_INTERVAL_PER_TASK_S * self._streams.open_task_count
        due_at = now + min(max(_MIN_BATCH_INTERVAL_S, interval), _MAX_BATCH_INTERVAL_S)
        return [subscription.take_batch(due_at) for subscription in due]


class _ResponseStream:
    """A response in progress, and its subscriptions."""

    def __init__(self, response_id: ResponseId) -> None:
        self.response_id = response_id
        self.buffer = TokenBuffer()
        self.too_long = False
        self.subscriptions: list[_Subscription] = []

    def append(self, delta: ModelDelta) -> None:
        """Add a delta. Models call this for each token, so it must cost next to nothing."""
        if self.too_long or self.buffer.chars + len(delta.text) > _MAX_RESPONSE_CHARS:
            self.too_long = True
            self.subscriptions = []
            return
        self.buffer.append(delta)
        for subscription in self.subscriptions:
            subscription.append(delta)

    async def flush(self) -> None:
        """Send the last batches, and wait until they are acknowledged, at most ``_ACKNOWLEDGE_TIMEOUT_S``."""
        unsent = [each for each in self.subscriptions if each.kind != "start" or self.buffer.chars]
        if unsent:
            await asyncio.wait([subscription.complete() for subscription in unsent], timeout=_ACKNOWLEDGE_TIMEOUT_S)


class _Subscription:
    """The unsent deltas of one response for one subscriber; bounded, because the subscriber may be slow."""

    def __init__(self, subscriber: TokenSubscriber, stream: _ResponseStream, kind: BatchKind) -> None:
        self.subscriber = subscriber
        self.stream = stream
        self.kind: BatchKind = kind
        """Kind of the next batch."""
        self.due_at = 0.0
        """When the next batch may be sent, by the event loop's clock."""
        self.acknowledged: asyncio.Future[None] | None = None
        """Set when the last batch is acknowledged; None until the response is complete."""
        self._deltas: list[ModelDelta] = []
        self._chars = 0

    @property
    def next_batch_chars(self) -> int:
        """Characters that the next batch will have."""
        return self._chars if self.kind == "continue" else self.stream.buffer.chars

    def append(self, delta: ModelDelta) -> None:
        """Add a delta that the stream's buffer has already."""
        if self.kind == "continue":
            self._deltas.append(delta)
            self._chars += len(delta.text)
            if self._chars > _MAX_PENDING_CHARS:
                self._deltas, self._chars, self.kind = [], 0, "restart"
        self.subscriber.add_pending(self)

    def complete(self) -> asyncio.Future[None]:
        """Make the last batch due now; return the future that is done when it is acknowledged."""
        self.due_at = 0.0
        self.acknowledged = asyncio.get_running_loop().create_future()
        self.subscriber.add_pending(self)
        return self.acknowledged

    def take_batch(self, next_due_at: float) -> TokenBatch:
        """Return the next batch, and begin the one after it."""
        deltas = joined(self._deltas) if self.kind == "continue" else self.stream.buffer.deltas()
        batch = TokenBatch(self.stream.response_id, self.kind, deltas, last=self.acknowledged is not None)
        self._deltas, self._chars, self.kind, self.due_at = [], 0, "continue", next_due_at
        return batch
