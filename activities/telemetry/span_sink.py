"""Export finished spans by OTLP, where OpenTelemetry's environment variables name a receiver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from activities.telemetry.otlp_receiver import (
    CONTENT_QUEUE,
    DEFAULT_QUEUE,
    ExportQueue,
    exporter_protocol,
    otlp_exporter,
    own_resource,
)

__all__ = ["AttributeValue", "FinishedSpan", "SpanSink", "open_span_sink"]

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

AttributeValue = str | int | float | Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedSpan:
    """A span that has ended. Times are in nanoseconds since 1970."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    is_client: bool = False
    """Whether it is a request to another service."""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    error_type: str | None = None
    """Set where it failed: the error's type, and never its message, which may have anything in it."""


class SpanSink:
    """Exports spans in batches, from a thread of its own; where the receiver is down, they are dropped."""

    def __init__(self, exporter: SpanExporter, queue: ExportQueue = DEFAULT_QUEUE) -> None:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._processor = BatchSpanProcessor(
            exporter, max_queue_size=queue.max_size, max_export_batch_size=queue.max_batch_size
        )
        self._scope = InstrumentationScope("opspawn")
        self._resource = own_resource()

    def export(self, span: FinishedSpan) -> None:
        """Put a span into the next batch."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        def context(span_id: int, *, is_remote: bool) -> SpanContext:
            return SpanContext(span.trace_id, span_id, is_remote, TraceFlags(TraceFlags.SAMPLED))

        self._processor.on_end(
            ReadableSpan(
                span.name,
                context=context(span.span_id, is_remote=False),
                parent=None if span.parent_id is None else context(span.parent_id, is_remote=True),
                resource=self._resource,
                attributes=span.attributes,
                kind=SpanKind.CLIENT if span.is_client else SpanKind.INTERNAL,
                status=Status(StatusCode.ERROR) if span.error_type else Status(),
                start_time=span.start_ns,
                end_time=span.end_ns,
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Export what is left; this may take some seconds."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]


def open_span_sink(environment: Mapping[str, str], *, with_content: bool = False) -> SpanSink | None:
    """Return where spans go to; None where ``OTEL_*`` names no receiver: then OpenTelemetry isn't even imported."""
    protocol = exporter_protocol(environment, "TRACES")
    if protocol is None:
        return None
    is_set = any(environment.get(f"OTEL_BSP_{name}") for name in ("MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE"))
    return SpanSink(otlp_exporter(protocol, "TRACES"), CONTENT_QUEUE if with_content and not is_set else DEFAULT_QUEUE)
