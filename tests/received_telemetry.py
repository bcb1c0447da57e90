"""A real OTLP receiver, and the text tree of the spans that it received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from tests.reserved_ports import reserve_port

_SHOWN = ("error.type", "opspawn.attempt", "opspawn.status")


@dataclass
class ReceivedTelemetry:
    """What a receiver got, in the order of arrival."""

    port: int
    spans: list[Span] = field(default_factory=list)
    events: list[LogRecord] = field(default_factory=list)

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of processes that export to it, without delay."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_BLRP_SCHEDULE_DELAY": "50",
        }

    def named(self, name: str) -> list[Span]:
        """Return the spans of this name."""
        return [span for span in self.spans if span.name == name]


@asynccontextmanager
async def receiving_telemetry() -> AsyncIterator[ReceivedTelemetry]:
    """Receive what is exported meanwhile."""
    received = ReceivedTelemetry(reserve_port())

    async def collect_spans() -> None:
        async for span in receiver.stream_traces():
            received.spans.append(span)

    async def collect_events() -> None:
        async for event in receiver.stream_logs():
            received.events.append(event)

    async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=received.port)) as receiver:
        collecting = [asyncio.create_task(collect_spans()), asyncio.create_task(collect_events())]
        try:
            yield received
        finally:
            for each in collecting:
                each.cancel()


def attributes_of(item: Span | LogRecord) -> dict[str, AnyValue]:
    """Return the attributes of a span or an event, by name."""
    return {each.key: each.value for each in item.attributes}


def plain(value: AnyValue) -> object:
    """Return an attribute's value as Python's."""
    match value.WhichOneof("value"):
        case "array_value":
            return [plain(each) for each in value.array_value.values]
        case "kvlist_value":
            return {each.key: plain(each.value) for each in value.kvlist_value.values}
        case None:
            return None
        case name:
            return getattr(value, name)


def span_tree(spans: Sequence[Span]) -> str:
    """Return the spans as a tree in text: names, and what is notable of an attempt.

    Raises:
        AssertionError: they are not one tree.
    """
    ids = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_span_id not in ids]
    assert len(ids) == len(spans), "two spans have the same id"
    assert len({span.trace_id for span in spans}) == 1, "they are several traces"
    assert len(roots) == 1, f"roots: {[span.name for span in roots]}"
    rows: list[tuple[str, str]] = []
    _add_rows(roots[0], sorted(spans, key=lambda span: span.start_time_unix_nano), "", "", rows.append)
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:{width}}{notes}".rstrip() for name, notes in rows)


def _add_rows(
    span: Span, spans: Sequence[Span], first: str, indent: str, add: Callable[[tuple[str, str]], None]
) -> None:
    add((f"{first}{span.name}", _notes(span)))
    children = [child for child in spans if child.parent_span_id == span.span_id]
    for child in children:
        is_last = child is children[-1]
        _add_rows(child, spans, indent + ("└── " if is_last else "├── "), indent + ("    " if is_last else "│   "), add)


def _notes(span: Span) -> str:
    values = {name: plain(value) for name, value in attributes_of(span).items() if name in _SHOWN}
    return ", ".join(f"{name}={values[name]}" for name in _SHOWN if name in values and values[name] != 1)
