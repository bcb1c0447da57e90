"""The waits that providers ask for: counted in a worker's metrics, and listed for ``opspawn doctor``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from temporalio.common import MetricMeter

from agentkit.interfaces import Model, ModelWait, RateLimited

__all__ = ["measuring_model_waits", "model_waits"]

_CHECK_INTERVAL_S = 5.0


def model_waits(models: Mapping[str, Model]) -> list[ModelWait]:
    """Return the waits of all models at this moment."""
    return [wait for model in models.values() if isinstance(model, RateLimited) for wait in model.waits()]


@asynccontextmanager
async def measuring_model_waits(
    models: Mapping[str, Model], meter: MetricMeter, interval_s: float = _CHECK_INTERVAL_S
) -> AsyncIterator[None]:
    """Keep the gauges ``opspawn_model_wait_seconds`` and ``opspawn_model_requests_waiting`` up to date meanwhile."""
    measuring = asyncio.create_task(_measure(models, meter, interval_s))
    try:
        yield
    finally:
        measuring.cancel()
        with suppress(asyncio.CancelledError):
            await measuring


async def _measure(models: Mapping[str, Model], meter: MetricMeter, interval_s: float) -> None:
    seconds = meter.create_gauge_float(
        "opspawn_model_wait_seconds", "How long no request to a model starts, because its provider asked for that"
    )
    requests = meter.create_gauge("opspawn_model_requests_waiting", "Requests that wait for the end of such a wait")
    measured: set[tuple[str, str]] = set()
    while True:
        waits = {(wait.model, wait.key): wait for wait in model_waits(models)}
        measured |= waits.keys()
        for model, key in measured:
            wait = waits.get((model, key))
            seconds.set(wait.seconds if wait else 0.0, {"model": model, "key": key})
            requests.set(wait.requests if wait else 0, {"model": model, "key": key})
        await asyncio.sleep(interval_s)
