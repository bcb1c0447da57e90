"""The timeouts of a response, in virtual time. Real connections: ``test_provider_limits``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from agentkit.interfaces import ModelRequest, ModelResponse
from agentkit.llm.shared.failures import ResponseTimedOut
from agentkit.llm.shared.streams.response_builder import ResponseBuilder
from agentkit.llm.shared.streams.response_timeouts import ResponseTimeouts, ResponseTimer
from agentkit.messages import user_message
from tests.unit.agentkit.llm.virtual_time_loop import run_in_virtual_time

TIMEOUTS = ResponseTimeouts(first_byte=50, idle=60, content=180)
REQUEST = ModelRequest(model="test:model", system="", messages=(user_message("Hi"),))


@dataclass(frozen=True)
class Event:
    """What a server sends after ``delay`` seconds."""

    delay: float
    kind: Literal["text", "thinking", "ping"] = "text"


class EventBuilder(ResponseBuilder):
    _is_thinking = False

    @property
    def is_thinking(self) -> bool:
        return self._is_thinking

    def add(self, received: object) -> None:
        assert isinstance(received, Event)
        self._is_thinking = received.kind == "thinking"
        if received.kind != "ping":
            self.emit_delta(received.kind, "word")

    def add_complete(self, received: object) -> None:
        raise NotImplementedError

    def add_end(self) -> None:
        raise NotImplementedError

    def build(self) -> ModelResponse:
        raise NotImplementedError


def _ends(events: Sequence[Event]) -> tuple[float, str]:
    """Return when and why the timer ends a response of these events; an empty reason: it is complete."""

    async def receive() -> tuple[float, str]:
        builder = EventBuilder(REQUEST, None)
        pending = list(events)

        async def chunks() -> AsyncIterator[bytes]:
            while pending:
                await asyncio.sleep(pending[0].delay)
                yield b"x"

        try:
            async with ResponseTimer(TIMEOUTS, builder) as timer:
                await asyncio.sleep(pending.pop(0).delay)
                async for _ in timer.watch(chunks()):
                    builder.add(pending.pop(0))
                    timer.on_event()
        except ResponseTimedOut as error:
            return asyncio.get_running_loop().time(), str(error)
        return asyncio.get_running_loop().time(), ""

    return run_in_virtual_time(receive())


@pytest.mark.parametrize(
    ("events", "at", "reason"),
    [
        pytest.param([Event(49), Event(59)], 108, "", id="in time"),
        pytest.param([Event(51)], 50, "no response began within 50 s (model_first_byte_timeout)", id="no response"),
        pytest.param([Event(1), Event(61)], 61, "nothing came for 60 s (model_idle_timeout)", id="a pause"),
        pytest.param([Event(1)] + [Event(59)] * 9, 532, "", id="each piece gives more time"),
        pytest.param(
            [Event(0), Event(1)] + [Event(59, "ping")] * 9,
            181,
            "no content came for 180 s (model_content_timeout)",
            id="pings keep a response alive for some time",
        ),
        pytest.param([Event(0), Event(1, "thinking"), Event(179)], 180, "", id="silence while thinking"),
        pytest.param(
            [Event(0), Event(1, "thinking"), Event(181)],
            181,
            "no content came for 180 s (model_content_timeout)",
            id="silence while thinking, too long",
        ),
    ],
)
def test_a_response_ends_when_it_starts_late_pauses_or_has_no_content(
    events: list[Event], at: float, reason: str
) -> None:
    assert _ends(events) == (at, reason)
