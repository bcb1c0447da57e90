"""Export log events by OTLP, where OpenTelemetry's environment variables name a receiver of logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from activities.telemetry.otlp_receiver import (
    CONTENT_QUEUE,
    DEFAULT_QUEUE,
    ExportQueue,
    exporter_protocol,
    otlp_exporter,
    own_resource,
)

__all__ = ["EventSink", "FinishedEvent", "open_event_sink"]

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedEvent:
    """Something that happened in a span."""

    name: str
    trace_id: int
    span_id: int
    at_ns: int
    """In nanoseconds since 1970."""
    attributes: Mapping[str, JsonValue]


class EventSink:
    """Exports events in batches, from a thread of its own; where the receiver is down, they are dropped."""

    def __init__(self, exporter: LogRecordExporter, queue: ExportQueue = DEFAULT_QUEUE) -> None:
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        self._provider = LoggerProvider(own_resource(), shutdown_on_exit=False)
        self._provider.add_log_record_processor(
            BatchLogRecordProcessor(exporter, max_queue_size=queue.max_size, max_export_batch_size=queue.max_batch_size)
        )
        self._logger = self._provider.get_logger("opspawn")

    def export(self, event: FinishedEvent) -> None:
        """Put an event into the next batch."""
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.context import Context
        from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

        span = SpanContext(event.trace_id, event.span_id, False, TraceFlags(TraceFlags.SAMPLED))
        attributes: Any = event.attributes
        self._logger.emit(
            LogRecord(
                timestamp=event.at_ns,
                context=set_span_in_context(NonRecordingSpan(span), Context()),
                severity_number=SeverityNumber.INFO,
                event_name=event.name,
                attributes=attributes,
            )
        )

    def close(self) -> None:
        """Export what is left; this may take some seconds."""
        self._provider.shutdown()


def open_event_sink(environment: Mapping[str, str]) -> EventSink | None:
    """Return where events go to; None where ``OTEL_*`` names no receiver of logs."""
    protocol = exporter_protocol(environment, "LOGS")
    if protocol is None:
        return None
    is_set = any(environment.get(f"OTEL_BLRP_{name}") for name in ("MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE"))
    return EventSink(otlp_exporter(protocol, "LOGS"), DEFAULT_QUEUE if is_set else CONTENT_QUEUE)
