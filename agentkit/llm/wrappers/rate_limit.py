"""Limit the rate of requests to a provider: one limiter for each provider and key of a process.

A request above the limit waits here, in order of arrival, instead of being refused by the provider: that costs no
attempt. The limits come from the settings, for all models together, and for each model from the headers of responses
and from the provider's refusals. A model that is held up never holds up another one.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import chain

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import Emit, Model, ModelRequest, ModelResponse, ModelWait
from agentkit.llm.shared.server_clock import server_time
from agentkit.llm.shared.usage_estimates import estimate_usage
from agentkit.llm.wrappers.token_bucket import LimitedResource, TokenBucket, bucket_from_headers
from agentkit.messages import Message

__all__ = ["DEFAULT_MAX_WAIT_S", "MAX_QUEUE_TIME_S", "RateLimitedModel", "RateLimiter"]

MAX_QUEUE_TIME_S = 300.0
"""The longest wait for a slot. The model activity has 10 minutes, and the response needs some of them."""

DEFAULT_MAX_WAIT_S = 600.0
"""How long a refusal or headers hold up a model at most: some providers state the hours until a daily limit ends."""

_ROUNDING_S = 1e-6
"""Seconds; a shorter wait is a rounding error."""

_EMPTY_RESPONSE = Message(role="assistant", parts=())


class _QueuedRequest:
    def __init__(self, number: int, model: str, tokens: int, deadline: float) -> None:
        self.number = number
        """Greater than those of all requests that arrived before."""
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
        max_wait_s: float = DEFAULT_MAX_WAIT_S,
    ) -> None:
        """Set up the limits.

        Args:
            concurrency: the most requests at once.
            requests_per_minute: the most requests that start in a minute; None is unlimited.
            tokens_per_minute: the same for tokens, input and output together.
            max_wait_s: the longest that a refusal or the headers of a response hold up a model, in seconds.
        """
        self._concurrency = concurrency
        self.max_wait_s = max_wait_s
        self._running = 0
        self._numbers = itertools.count()
        self._queues: dict[str, deque[_QueuedRequest]] = {}
        """By model; none is empty."""
        self._paused_until: dict[str, float] = {}
        """By model."""
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
        """The number of requests in the queues."""
        return sum(map(len, self._queues.values()))

    def waits(self, key: str) -> list[ModelWait]:
        """Return the waits that the provider asked for, by model; ``key`` names the setting with its key."""
        now, waits = _now(), []
        for model in sorted({*self._paused_until, *self._queues, *(model for model, _ in self._reported)}):
            queue = self._queues.get(model, ())
            first = queue[0] if queue else _QueuedRequest(0, model, 0, now)
            if seconds := self._model_wait(first, now):
                waits.append(ModelWait(model=model, key=key, seconds=seconds, requests=len(queue)))
        return waits

    def limits_tokens(self, model: str) -> bool:
        """Return whether any limit on tokens is known for a model."""
        return "tokens" in self._configured or (model, "tokens") in self._reported

    @asynccontextmanager
    async def slot(self, model: str, tokens: int = 0) -> AsyncIterator[None]:
        """Wait until a request may start, and hold its slot during the block. ``tokens`` is the expected usage.

        Raises:
            ModelUnavailable: there would be no slot within ``MAX_QUEUE_TIME_S``; ``retry_after`` is the wait.
        """
        await self._acquire(_QueuedRequest(next(self._numbers), model, tokens, _now() + MAX_QUEUE_TIME_S))
        try:
            yield
        finally:
            self._running -= 1
            self._wake_heads()

    def read_headers(self, model: str, headers: Mapping[str, str]) -> None:
        """Update the model's limits from the headers of a response."""
        now, sent_at = _now(), server_time(headers)
        for resource in ("requests", "tokens"):
            if bucket := bucket_from_headers(headers, resource, now, sent_at, self.max_wait_s):
                self._reported[model, resource] = bucket
        self._wake_heads()

    def pause(self, model: str, seconds: float) -> None:
        """Start no request to the model for so long, as the provider asked, but at most for ``max_wait_s``."""
        now = _now()
        self._paused_until = {paused: until for paused, until in self._paused_until.items() if until > now}
        until = now + min(seconds, self.max_wait_s)
        self._paused_until[model] = max(until, self._paused_until.get(model, 0.0))
        self._wake_heads()

    def correct_tokens(self, difference: int) -> None:
        """Count the tokens that a request used beyond its expected usage; negative if it used fewer."""
        if bucket := self._configured.get("tokens"):
            bucket.take(difference, _now())

    async def _acquire(self, request: _QueuedRequest) -> None:
        queue = self._queues.setdefault(request.model, deque())
        queue.append(request)
        try:
            while wait := self._wait(request):
                remaining = request.deadline - _now()
                if remaining <= 0 or remaining < wait < math.inf:
                    raise self._too_busy(request.model, wait)
                request.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(wait, remaining)):
                        await request.changed.wait()
            self._running += 1
            now = _now()
            for resource, bucket in chain(self._configured.items(), self._model_buckets(request)):
                bucket.take(request.amounts[resource], now)
        finally:
            queue.remove(request)
            if not queue:
                del self._queues[request.model]
            self._wake_heads()

    def _wait(self, request: _QueuedRequest) -> float:
        """Return the seconds until a request may start: 0 is now, infinity is after another request."""
        now = _now()
        if self._queues[request.model][0] is not request:
            return math.inf
        if wait := self._model_wait(request, now):
            return wait
        # What the models share goes to the first request whose model is not held up.
        heads = (queue[0] for queue in self._queues.values())
        first = min((head for head in heads if not self._model_wait(head, now)), key=lambda head: head.number)
        if first is not request or self._running >= self._concurrency:
            return math.inf
        return _longest(bucket.wait(request.amounts[resource], now) for resource, bucket in self._configured.items())

    def _model_wait(self, request: _QueuedRequest, now: float) -> float:
        """Return the seconds for which the request's own model is held up."""
        waits = (bucket.wait(request.amounts[resource], now) for resource, bucket in self._model_buckets(request))
        return _longest((self._paused_until.get(request.model, 0.0) - now, *waits))

    def _model_buckets(self, request: _QueuedRequest) -> Iterator[tuple[LimitedResource, TokenBucket]]:
        for resource in request.amounts:
            if bucket := self._reported.get((request.model, resource)):
                yield resource, bucket

    def _wake_heads(self) -> None:
        for queue in self._queues.values():
            queue[0].changed.set()

    def _too_busy(self, model: str, wait: float) -> ModelUnavailable:
        return ModelUnavailable(
            f"{len(self._queues[model])} requests wait for the provider's rate limit of {model}: "
            f"this one would not start within {MAX_QUEUE_TIME_S:.0f} s",
            retry_after=wait if wait < math.inf else None,
        )


def _longest(waits: Iterable[float]) -> float:
    longest = max(waits, default=0.0)
    return longest if longest > _ROUNDING_S else 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()


class RateLimitedModel:
    """A model whose requests wait for a slot of its provider's limiter."""

    def __init__(self, model: Model, limiter: RateLimiter, key: str = "") -> None:
        """Limit the requests to ``model``; ``key`` names the setting that holds its key."""
        self._model = model
        self._limiter = limiter
        self._key = key

    def __repr__(self) -> str:
        return repr(self._model)

    def waits(self) -> Sequence[ModelWait]:
        """Return the waits that the provider asked for, as they are now."""
        return self._limiter.waits(self._key)

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Wait for a slot, and return the model's response.

        A failure with ``retry_after`` pauses the requests to the same model; but not if it is that of one upstream of a
        router, which sends other requests to other upstreams.

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
                    error.retry_after = min(error.retry_after, self._limiter.max_wait_s)
                    if error.upstream is None:
                        self._limiter.pause(request.model, error.retry_after)
                raise
        self._limiter.correct_tokens(response.usage.tokens - expected)
        return response

    async def aclose(self) -> None:
        """Close the model's connections."""
        await self._model.aclose()
