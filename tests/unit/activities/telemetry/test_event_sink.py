from __future__ import annotations

import pytest
from pydantic import JsonValue

from activities.telemetry.event_sink import FinishedEvent, open_event_sink
from tests.polling import eventually
from tests.received_telemetry import attributes_of, plain, receiving_telemetry


async def test_events_arrive_with_their_structure_and_span(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving_telemetry() as received:
        for name, value in received.variables.items():
            monkeypatch.setenv(name, value)
        sink = open_event_sink(received.variables)
        assert sink is not None
        values: dict[str, JsonValue] = {"a": [{"b": "c", "n": 1, "none": None}], "d": 0.5}
        sink.export(FinishedEvent(name="seen", trace_id=7, span_id=9, at_ns=1_000, attributes=values))
        sink.close()
        await eventually(lambda: bool(received.events))
    (event,) = received.events
    assert (event.event_name, event.time_unix_nano) == ("seen", 1_000)
    assert (event.trace_id, event.span_id) == ((7).to_bytes(16), (9).to_bytes(8))
    assert {name: plain(value) for name, value in attributes_of(event).items()} == values


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_receiver_of_logs_turns_events_on(protocol: str) -> None:
    environment = {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    sink = open_event_sink(environment)
    assert sink is not None
    sink.close()
    assert open_event_sink({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}) is None
