"""Whether, and how, OpenTelemetry's environment variables have a signal exported by OTLP."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

__all__ = [
    "CONTENT_QUEUE",
    "DEFAULT_QUEUE",
    "ExportQueue",
    "Protocol",
    "Signal",
    "exporter_protocol",
    "otlp_exporter",
    "own_resource",
]

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

Signal = Literal["TRACES", "LOGS"]
Protocol = Literal["grpc", "http/protobuf"]
_PACKAGES: Mapping[Protocol, str] = {"grpc": "grpc", "http/protobuf": "http"}
_EXPORTERS: Mapping[Signal, tuple[str, str]] = {
    "TRACES": ("trace_exporter", "OTLPSpanExporter"),
    "LOGS": ("_log_exporter", "OTLPLogExporter"),
}


class ExportQueue(NamedTuple):
    """How much waits for export, and goes out at once; None: what OpenTelemetry's variables say, or its default."""

    max_size: int | None = None
    max_batch_size: int | None = None


DEFAULT_QUEUE = ExportQueue()
CONTENT_QUEUE = ExportQueue(256, 16)
"""Of what has contents, 128 KB each at most: a collector takes 4 MiB at once, and while it is down they take memory."""


def exporter_protocol(environment: Mapping[str, str], signal: Signal) -> Protocol | None:
    """Return the protocol of a signal's receiver; None where the variables name no receiver, or switch it off."""
    endpoints = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    is_on = any(environment.get(name) for name in endpoints)
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not is_on or is_off or environment.get(f"OTEL_{signal}_EXPORTER") == "none":
        return None
    general = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    return (
        "grpc" if (environment.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or general) == "grpc" else "http/protobuf"
    )


def otlp_exporter(protocol: Protocol, signal: Signal) -> Any:
    """Return OpenTelemetry's exporter of a signal, which reads its other variables itself.

    Both protocols' exporters take long to import, so only the one that is used is.
    """
    module, name = _EXPORTERS[signal]
    return getattr(import_module(f"opentelemetry.exporter.otlp.proto.{_PACKAGES[protocol]}.{module}"), name)()


def own_resource() -> Resource:
    """Return what the signals are of: ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES``, or ``opspawn``."""
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "opspawn"}))
    return resource
