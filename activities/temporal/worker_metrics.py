"""Serve a worker's metrics for Prometheus: those of Temporal's SDK, of tasks, models and tool calls."""

from __future__ import annotations

from temporalio.common import MetricMeter
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from activities.telemetry.task_metrics import BUCKETS
from agentkit.errors import ConfigurationInvalid

__all__ = ["start_metrics"]


def start_metrics(address: str | None) -> MetricMeter:
    """Serve ``http://ADDRESS/metrics``, if there is an address, and return the meter of this process.

    Call it before a client connects.

    Raises:
        ConfigurationInvalid: the address can't be used.
    """
    if address is not None:
        try:
            metrics = PrometheusConfig(
                bind_address=address, durations_as_seconds=True, histogram_bucket_overrides=BUCKETS
            )
            runtime = Runtime(telemetry=TelemetryConfig(metrics=metrics))
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ConfigurationInvalid(
                f"Setting worker_metrics (OPSPAWN_WORKER_METRICS): {address} can't be used: {reason}"
            ) from None
        Runtime.set_default(runtime)
    return Runtime.default().metric_meter
