"""Export finished spans by OTLP, where OpenTelemetry's environment variables name a receiver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

__all__ = ["FinishedSpan", "SpanSink", "open_span_sink"]

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


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
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    error_type: str | None = None
    """Set where it failed: the error's type, and never its message, which may have anything in it."""


class SpanSink:
    """Exports spans in batches, from a thread of its own; where the receiver is down, they are dropped."""

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._processor = BatchSpanProcessor(exporter)
        self._scope = InstrumentationScope("opspawn")
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have priority.
        self._resource = Resource({"service.name": "opspawn"}).merge(Resource.create())
        if self._resource.attributes["service.name"] == "unknown_service":
            self._resource = self._resource.merge(Resource({"service.name": "opspawn"}))

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


def open_span_sink(environment: Mapping[str, str]) -> SpanSink | None:
    """Return where spans go to; None where ``OTEL_*`` names no receiver: then OpenTelemetry isn't even imported."""
    is_on = any(environment.get(name) for name in _ENDPOINTS)
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not is_on or is_off or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    return SpanSink(_exporter(environment))


def _exporter(environment: Mapping[str, str]) -> SpanExporter:
    """Return the exporter of the protocol; it reads its other variables itself."""
    general = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    exporter: Any
    if environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", general) == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        exporter = GrpcExporter()
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

        exporter = HttpExporter()
    result: SpanExporter = exporter
    return result
