"""The timeouts of a streamed response, in virtual time. Real connections: ``test_provider_failures``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from agentkit.errors import ModelError, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.shared.failures import TRANSPORT_FAILURES, ProviderEndpoint, transport_error
from agentkit.llm.shared.response_builder import ResponseBuilder
from agentkit.llm.shared.streaming_model import ResponseTimeouts, StreamingModel
from agentkit.messages import TextPart, user_message
from tests.unit.agentkit.llm.virtual_time_loop import run_in_virtual_time

TIMEOUTS = ResponseTimeouts(first_output=180, idle=60)
REQUEST = ModelRequest(model="test:model", system="", messages=(user_message("Hi"),))


@dataclass(frozen=True)
class Event:
    """What a server sends after ``delay`` seconds."""

    delay: float
    kind: Literal["text", "thinking", "ping"] = "text"


class EventBuilder(ResponseBuilder):
    _last: Event | None = None

    @property
    def is_thinking(self) -> bool:
        return self._last is not None and self._last.kind == "thinking"

    def add(self, event: Event) -> None:
        self._last = event
        if event.kind != "ping":
            self.emit_delta(event.kind, "word")

    def build(self) -> ModelResponse:
        return self.assemble([TextPart(text="Noon.")], "end", None)


class EventModel(StreamingModel[EventBuilder]):
    """Receives the given events; no connection."""

    failures = TRANSPORT_FAILURES

    def __init__(self, events: Sequence[Event], timeouts: ResponseTimeouts = TIMEOUTS) -> None:
        super().__init__(ProviderEndpoint("test", "http://test", "TEST_KEY", "unused"), timeouts, None)
        self._events = events

    async def aclose(self) -> None:
        pass

    def _new_builder(self, request: ModelRequest, emit: Emit | None) -> EventBuilder:
        return EventBuilder(request, emit)

    async def _receive(self, request: ModelRequest, builder: EventBuilder, on_event: Callable[[], None]) -> None:
        for event in self._events:
            await asyncio.sleep(event.delay)
            builder.add(event)
            on_event()

    @property
    def _optional_fields(self) -> Mapping[str, re.Pattern[str]]:
        return {}

    def _body(self, request: ModelRequest) -> Mapping[str, object]:
        return {}

    def _map_error(self, error: Exception) -> ModelError:
        return transport_error(error, self._endpoint)


class PingedModel(EventModel):
    pings_extend_timeout = True


def _give_up_time(model: EventModel) -> float | None:
    """Return when the model gives up, or None if it responds."""

    async def respond() -> float | None:
        try:
            await model.respond(REQUEST)
        except ModelUnavailable:
            return asyncio.get_running_loop().time()
        return None

    return run_in_virtual_time(respond())


@pytest.mark.parametrize(
    ("events", "gives_up_at"),
    [
        pytest.param([Event(179)], None, id="first output in time"),
        pytest.param([Event(181)], 180, id="first output too late"),
        pytest.param([Event(1), Event(59), Event(59), Event(59)], None, id="each event gives more time"),
        pytest.param([Event(1), Event(61)], 61, id="idle for too long"),
        pytest.param([Event(1, "thinking"), Event(179)], None, id="silence while thinking"),
        pytest.param([Event(1, "thinking"), Event(181)], 181, id="silence while thinking, too long"),
        pytest.param([Event(170, "ping"), Event(20)], 180, id="an event without output gives no more time"),
    ],
)
def test_silence_is_limited_before_the_first_output_and_between_events(
    events: list[Event], gives_up_at: float | None
) -> None:
    assert _give_up_time(EventModel(events)) == gives_up_at


def test_pings_give_more_time_where_the_provider_sends_them() -> None:
    assert _give_up_time(PingedModel([Event(170, "ping"), Event(170, "ping"), Event(170)])) is None
    assert _give_up_time(PingedModel([Event(170, "ping"), Event(181)])) == 170 + 180


def test_the_first_output_has_never_less_time_than_the_idle_timeout() -> None:
    timeouts = ResponseTimeouts(first_output=1, idle=60)
    assert _give_up_time(EventModel([Event(59)], timeouts)) is None
    assert _give_up_time(EventModel([Event(61)], timeouts)) == 60


def test_an_error_that_is_no_failure_of_the_provider_is_not_mapped() -> None:
    class BrokenModel(EventModel):
        async def _receive(self, request: ModelRequest, builder: EventBuilder, on_event: Callable[[], None]) -> None:
            raise ModelRequestRejected("No media type")

    with pytest.raises(ModelRequestRejected, match="No media type"):
        run_in_virtual_time(BrokenModel([]).respond(REQUEST))
