from __future__ import annotations

import subprocess
import sys

import pytest

from activities.telemetry.span_sink import open_span_sink


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "x"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_a_receiver_there_are_no_traces(environment: dict[str, str]) -> None:
    assert open_span_sink(environment) is None


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_receiver_turns_traces_on(protocol: str) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    sink = open_span_sink(environment)
    assert sink is not None
    sink.close()


def test_a_worker_and_an_api_do_not_import_the_sdk_of_opentelemetry() -> None:
    program = "import sys, worker, api.app; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"
