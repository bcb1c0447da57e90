"""Limit the rate of requests to a provider: one limiter for each provider and key of a process.

A request above the limit waits here, in order of arrival, instead of being refused by the provider: that costs no
attempt. The limits come from the settings, from the headers of responses, and from the provider's refusals.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import chain

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import Emit, Model, ModelRequest, ModelResponse
from agentkit.llm.shared.token_estimates import estimate_usage
from agentkit.llm.wrappers.token_bucket import LimitedResource, TokenBucket, bucket_from_headers
from agentkit.messages import Message

__all__ = ["MAX_QUEUE_TIME_S", "RateLimitedModel", "RateLimiter"]

MAX_QUEUE_TIME_S = 300.0
"""The longest wait for a slot. The model activity has 10 minutes, and the response needs some of them."""

_ROUNDING_S = 1e-6
"""Seconds; a shorter wait is a rounding error."""

_EMPTY_RESPONSE = Message(role="assistant", parts=())


class _QueuedRequest:
    def __init__(self, model: str, tokens: int, deadline: float) -> None:
        self.model = model
        self.amounts: dict[LimitedResource, int] = {"requests": 1, "tokens": tokens}
        self.deadline = deadline
        self.changed = asyncio.Event()
        """Set when the request may have become the next to start."""


class RateLimiter:
    """Gives slots to requests, first come, first served. For one event loop; its state is lost with the process."""

    def __init__(
        self,
        *,
        concurrency: int,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
    ) -> None:
        """Set up the limits.

        Args:
            concurrency: the most requests at once.
            requests_per_minute: the most requests that start in a minute; None is unlimited.
            tokens_per_minute: the same for tokens, input and output together.
        """
        self._concurrency = concurrency
        self._running = 0
        self._queue: deque[_QueuedRequest] = deque()
        self._paused_until = -math.inf
        per_minute: dict[LimitedResource, int | None] = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        self._configured = {
            resource: TokenBucket(capacity=amount, level=amount, rate=amount / 60, updated_at=0.0)
            for resource, amount in per_minute.items()
            if amount is not None
        }
        self._reported: dict[tuple[str, LimitedResource], TokenBucket] = {}
        """Limits from the headers of responses, by model: providers have separate limits for each."""

    @property
    def running(self) -> int:
        """The number of requests that have a slot."""
        return self._running

    @property
    def waiting(self) -> int:
        """The number of requests in the queue."""
        return len(self._queue)

    def limits_tokens(self, model: str) -> bool:
        """Return whether any limit on tokens is known for a model."""
        return "tokens" in self._configured or (model, "tokens") in self._reported

    @asynccontextmanager
    async def slot(self, model: str, tokens: int = 0) -> AsyncIterator[None]:
        """Wait until a request may start, and hold its slot during the block. ``tokens`` is the expected usage.

        Raises:
            ModelUnavailable: there would be no slot within ``MAX_QUEUE_TIME_S``; ``retry_after`` is the wait.
        """
        await self._acquire(_QueuedRequest(model, tokens, _now() + MAX_QUEUE_TIME_S))
        try:
            yield
        finally:
            self._running -= 1
            self._wake_first()

    def read_headers(self, model: str, headers: Mapping[str, str]) -> None:
        """Update the model's limits from the headers of a response."""
        now = _now()
        for resource in ("requests", "tokens"):
            if bucket := bucket_from_headers(headers, resource, now, datetime.now(UTC)):
                self._reported[model, resource] = bucket
        self._wake_first()

    def pause(self, seconds: float) -> None:
        """Start no request for so long, as the provider asked."""
        self._paused_until = max(self._paused_until, _now() + seconds)

    def correct_tokens(self, difference: int) -> None:
        """Count the tokens that a request used beyond its expected usage; negative if it used fewer."""
        if bucket := self._configured.get("tokens"):
            bucket.take(difference, _now())

    async def _acquire(self, request: _QueuedRequest) -> None:
        self._queue.append(request)
        try:
            while wait := self._time_until_start(request):
                remaining = request.deadline - _now()
                if remaining <= 0 or remaining < wait < math.inf:
                    raise self._too_busy(wait)
                request.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(wait, remaining)):
                        await request.changed.wait()
            self._running += 1
            now = _now()
            for resource, bucket in self._buckets(request):
                bucket.take(request.amounts[resource], now)
        finally:
            self._queue.remove(request)
            self._wake_first()

    def _time_until_start(self, request: _QueuedRequest) -> float:
        """Return the seconds until a request may start; infinity if another request has to start or end first."""
        if self._queue[0] is not request or self._running >= self._concurrency:
            return math.inf
        now = _now()
        waits = [bucket.wait(request.amounts[resource], now) for resource, bucket in self._buckets(request)]
        wait = max(self._paused_until - now, *waits, 0.0)
        return wait if wait > _ROUNDING_S else 0.0

    def _buckets(self, request: _QueuedRequest) -> list[tuple[LimitedResource, TokenBucket]]:
        reported = (
            (resource, self._reported[request.model, resource])
            for resource in request.amounts
            if (request.model, resource) in self._reported
        )
        return list(chain(self._configured.items(), reported))

    def _wake_first(self) -> None:
        if self._queue:
            self._queue[0].changed.set()

    def _too_busy(self, wait: float) -> ModelUnavailable:
        return ModelUnavailable(
            f"{len(self._queue)} requests wait for this provider's rate limit: "
            f"this one would not start within {MAX_QUEUE_TIME_S:.0f} s",
            retry_after=wait if wait < math.inf else None,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


class RateLimitedModel:
    """A model whose requests wait for a slot of its provider's limiter."""

    def __init__(self, model: Model, limiter: RateLimiter) -> None:
        self._model = model
        self._limiter = limiter

    def __repr__(self) -> str:
        return repr(self._model)

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Wait for a slot, and return the model's response. A failure with ``retry_after`` pauses all requests.

        Raises:
            ModelUnavailable: also if there would be no slot within ``MAX_QUEUE_TIME_S``.
        """
        limits_tokens = self._limiter.limits_tokens(request.model)
        expected = estimate_usage(request, _EMPTY_RESPONSE).tokens if limits_tokens else 0
        async with self._limiter.slot(request.model, expected):
            try:
                response = await self._model.respond(request, emit)
            except ModelUnavailable as error:
                if error.retry_after:
                    self._limiter.pause(error.retry_after)
                raise
        self._limiter.correct_tokens(response.usage.tokens - expected)
        return response

    async def aclose(self) -> None:
        """Close the model's connections."""
        await self._model.aclose()
