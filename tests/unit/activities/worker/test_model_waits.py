from __future__ import annotations

import asyncio

from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig

from activities.worker.model_waits import measuring_model_waits, model_waits
from agentkit.interfaces import Model
from agentkit.llm.demo.model import DemoModel
from agentkit.llm.wrappers.rate_limit import RateLimitedModel, RateLimiter
from tests.polling import eventually

LABELS = {"model": "openai:m", "key": "OPENAI_API_KEY"}


async def test_waits_are_measured_by_model_and_key_until_they_end() -> None:
    buffer = MetricBuffer(1_000)
    meter = Runtime(telemetry=TelemetryConfig(metrics=buffer)).metric_meter
    limiter = RateLimiter(concurrency=1, max_wait_s=1.0)
    models: dict[str, Model] = {"demo": DemoModel(), "openai": RateLimitedModel(DemoModel(), limiter, "OPENAI_API_KEY")}
    values: list[tuple[str, dict[str, object], float]] = []

    def last(name: str) -> float | None:
        values.extend(
            (update.metric.name, dict(update.attributes), update.value) for update in buffer.retrieve_updates()
        )
        measured = [value for metric, labels, value in values if metric == name and labels.items() >= LABELS.items()]
        return measured[-1] if measured else None

    async def wait_for_a_slot() -> None:
        async with limiter.slot("openai:m"):
            pass

    async with measuring_model_waits(models, meter, interval_s=0.01):
        limiter.pause("openai:m", 500)
        waiting = asyncio.create_task(wait_for_a_slot())
        await eventually(lambda: last("opspawn_model_requests_waiting") == 1)
        assert 0 < (last("opspawn_model_wait_seconds") or 0) <= 1
        await waiting
        await eventually(lambda: last("opspawn_model_wait_seconds") == 0)
        assert last("opspawn_model_requests_waiting") == 0
    assert {labels["model"] for _, labels, _ in values} == {"openai:m"}
    assert model_waits(models) == []
