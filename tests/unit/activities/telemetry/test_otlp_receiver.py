from __future__ import annotations

import pytest

from activities.telemetry.otlp_receiver import Protocol, Signal, exporter_protocol, otlp_exporter, own_resource

HERE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("environment", "traces", "logs"),
    [
        ({}, None, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}, "http/protobuf", "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": HERE}, "http/protobuf", None),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None, "grpc"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": HERE,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
            },
            "grpc",
            "http/protobuf",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_LOGS_EXPORTER": "none"}, "http/protobuf", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "True"}, None, None),
    ],
)
def test_each_signal_has_its_variables(environment: dict[str, str], traces: str | None, logs: str | None) -> None:
    assert (exporter_protocol(environment, "TRACES"), exporter_protocol(environment, "LOGS")) == (traces, logs)


@pytest.mark.parametrize("signal", ["TRACES", "LOGS"])
@pytest.mark.parametrize(("protocol", "package"), [("grpc", "grpc"), ("http/protobuf", "http")])
def test_the_exporter_is_that_of_protocol_and_signal(protocol: Protocol, package: str, signal: Signal) -> None:
    exporter = otlp_exporter(protocol, signal)
    names = {"TRACES": "OTLPSpanExporter", "LOGS": "OTLPLogExporter"}
    assert type(exporter).__name__ == names[signal]
    assert type(exporter).__module__.startswith(f"opentelemetry.exporter.otlp.proto.{package}.")
    exporter.shutdown()


def test_the_service_is_ours_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_resource().attributes["service.name"] == "opspawn"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    assert own_resource().attributes["service.name"] == "shop"
