"""Ask a provider no faster than it takes: one limiter for each provider and key of a process.

A call that would come too early waits here, in order of arrival, rather than be refused over there: that costs no
attempt. What a provider takes is set up by hand, read from its headers, and learnt from its refusals.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import chain

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import Emit, Model, ModelRequest, ModelResponse
from agentkit.llm.shared.token_estimates import estimate_usage
from agentkit.llm.wrappers.token_bucket import Bucket, Resource, read_bucket
from agentkit.messages import Message

__all__ = ["MAX_WAIT", "Limited", "Limiter"]

MAX_WAIT = 300.0
"""Seconds that a call waits at most. The activity around it has 10 minutes, and needs some of them for the answer."""

_INSTANT = 1e-6
"""Seconds: less than that is an error of rounding."""

_NOTHING = Message(role="assistant", parts=())


class _Ticket:
    """A call in the queue."""

    def __init__(self, model: str, tokens: int, deadline: float) -> None:
        self.model = model
        self.amounts: dict[Resource, int] = {"requests": 1, "tokens": tokens}
        self.deadline = deadline
        self.changed = asyncio.Event()
        """Set when it is worth looking again whether the call may go."""


class Limiter:
    """Lets calls pass, first come, first served. For one event loop; nothing in it outlives the process."""

    def __init__(
        self,
        *,
        concurrency: int,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Set up.

        Args:
            concurrency: how many calls may be under way at once.
            requests_per_minute: how many may begin; None is as many as the provider takes.
            tokens_per_minute: the same for tokens, in and out.
            clock: seconds that only go forward.
            sleep: waits for so many of them.
        """
        self._concurrency = concurrency
        self._clock = clock
        self._sleep = sleep
        self._running = 0
        self._queue: deque[_Ticket] = deque()
        self._closed_until = -math.inf
        per_minute: dict[Resource, int | None] = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        now = clock()
        self._set = {
            resource: Bucket(capacity=amount, level=amount, rate=amount / 60, at=now)
            for resource, amount in per_minute.items()
            if amount is not None
        }
        self._learnt: dict[tuple[str, Resource], Bucket] = {}
        """By model, too: providers count each for itself."""

    @property
    def running(self) -> int:
        """How many calls are under way."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many stand in the queue."""
        return len(self._queue)

    def counts_tokens(self, model: str) -> bool:
        """Return whether it matters how large a call is."""
        return "tokens" in self._set or (model, "tokens") in self._learnt

    @asynccontextmanager
    async def turn(self, model: str, tokens: int = 0) -> AsyncIterator[None]:
        """Wait until a call may begin; the block is the call. ``tokens`` is how many it may use.

        Raises:
            ModelUnavailable: its turn wouldn't come within ``MAX_WAIT``; it says when to come again.
        """
        await self._admit(_Ticket(model, tokens, self._clock() + MAX_WAIT))
        try:
            yield
        finally:
            self._running -= 1
            self._look_again()

    def hear(self, model: str, headers: Mapping[str, str]) -> None:
        """Learn from the headers of an answer."""
        now = self._clock()
        for resource in ("requests", "tokens"):
            if told := read_bucket(headers, resource, now, datetime.now(UTC)):
                self._learnt[model, resource] = told
        self._look_again()

    def close_for(self, seconds: float) -> None:
        """Let no call begin for so long: the provider asked for it."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    def spend(self, tokens: int) -> None:
        """Count tokens that a call used beyond what it said; below 0: that it didn't use."""
        if bucket := self._set.get("tokens"):
            bucket.take(tokens, self._clock())

    async def _admit(self, ticket: _Ticket) -> None:
        self._queue.append(ticket)
        try:
            while wait := self._wait(ticket):
                left = ticket.deadline - self._clock()
                if left <= 0 or left < wait < math.inf:
                    raise self._too_busy(wait)
                ticket.changed.clear()
                await self._nap(ticket, min(wait, left))
            self._running += 1
            now = self._clock()
            for resource, bucket in self._buckets(ticket):
                bucket.take(ticket.amounts[resource], now)
        finally:
            self._queue.remove(ticket)
            self._look_again()

    def _wait(self, ticket: _Ticket) -> float:
        """Return the seconds until a call may begin: 0 is now, infinity is when another has ended or gone before."""
        if self._queue[0] is not ticket or self._running >= self._concurrency:
            return math.inf
        now = self._clock()
        waits = [bucket.wait(ticket.amounts[resource], now) for resource, bucket in self._buckets(ticket)]
        wait = max(self._closed_until - now, *waits, 0.0)
        return wait if wait > _INSTANT else 0.0

    def _buckets(self, ticket: _Ticket) -> list[tuple[Resource, Bucket]]:
        learnt = (
            (resource, self._learnt[ticket.model, resource])
            for resource in ticket.amounts
            if (ticket.model, resource) in self._learnt
        )
        return list(chain(self._set.items(), learnt))

    def _look_again(self) -> None:
        if self._queue:
            self._queue[0].changed.set()

    async def _nap(self, ticket: _Ticket, seconds: float) -> None:
        """Return when something has changed, or after so many seconds."""
        naps = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(ticket.changed.wait())]
        try:
            await asyncio.wait(naps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for nap in naps:
                nap.cancel()

    def _too_busy(self, wait: float) -> ModelUnavailable:
        return ModelUnavailable(
            f"{len(self._queue)} calls wait for this provider, which is asked as fast as it takes: "
            f"this one wouldn't have its turn within {MAX_WAIT:.0f} s",
            retry_after=wait if wait < math.inf else None,
        )


class Limited:
    """A model that is asked when its provider's limiter says so."""

    def __init__(self, model: Model, limiter: Limiter) -> None:
        self._model = model
        self._limiter = limiter

    def __repr__(self) -> str:
        return repr(self._model)

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Wait for a turn, and ask. A provider that says when to come again is left alone until then, by all.

        Raises:
            ModelUnavailable: also where the turn wouldn't come within ``MAX_WAIT``.
        """
        counts = self._limiter.counts_tokens(request.model)
        expected = estimate_usage(request, _NOTHING).tokens if counts else 0
        async with self._limiter.turn(request.model, expected):
            try:
                response = await self._model.respond(request, emit)
            except ModelUnavailable as error:
                if error.retry_after:
                    self._limiter.close_for(error.retry_after)
                raise
        self._limiter.spend(response.usage.tokens - expected)
        return response

    async def aclose(self) -> None:
        """Close the model's connections."""
        await self._model.aclose()
