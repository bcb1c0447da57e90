"""How long a model waits for its provider, and the timer of one response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from agentkit.llm.shared.failures import ResponseTimedOut
from agentkit.llm.shared.streams.response_builder import ResponseBuilder

__all__ = ["DEFAULT_TIMEOUTS", "ResponseTimeouts", "ResponseTimer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTimeouts:
    """How long a model waits for its provider, in seconds."""

    connect: float = 10.0
    """Until the connection is established."""
    first_byte: float = 60.0
    """From the request to the beginning of the response."""
    idle: float = 60.0
    """Between two pieces of the response, whatever they contain."""
    content: float = 180.0
    """Between two pieces with content: comments, pings and empty deltas are none. Where the API shows that the model
    thinks, it may send nothing at all for so long: some do, for minutes."""

    @property
    def longest(self) -> float:
        """The longest silence allowed anywhere in a response."""
        return max(self.first_byte, self.idle, self.content)


DEFAULT_TIMEOUTS = ResponseTimeouts()


class ResponseTimer:
    """Ends the block that it is used in when a response starts too late, pauses too long, or has no content."""

    def __init__(self, timeouts: ResponseTimeouts, builder: ResponseBuilder) -> None:
        self._timeouts = timeouts
        self._builder = builder
        self._now = asyncio.get_running_loop().time
        self._timeout = asyncio.timeout(timeouts.first_byte)
        self._content_at = self._now()
        self._content_count = 0
        self._reason = f"no response began within {timeouts.first_byte:g} s (model_first_byte_timeout)"

    async def watch(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the bytes of the response; each piece extends the time."""
        self._extend()
        async for chunk in chunks:
            self._extend()
            yield chunk

    def on_event(self) -> None:
        """Update the time after an event was added to the builder: it may have had content."""
        if self._builder.content_count > self._content_count:
            self._content_count = self._builder.content_count
            self._content_at = self._now()
        self._extend()

    def _extend(self) -> None:
        timeouts = self._timeouts
        without_content = self._content_at + timeouts.content
        silent = self._now() + timeouts.idle
        if self._builder.is_thinking or without_content < silent:
            self._reason = f"no content came for {timeouts.content:g} s (model_content_timeout)"
            self._timeout.reschedule(without_content)
        else:
            self._reason = f"nothing came for {timeouts.idle:g} s (model_idle_timeout)"
            self._timeout.reschedule(silent)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise ResponseTimedOut(self._reason) from None
