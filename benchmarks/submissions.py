"""How long a task takes to be accepted: ``POST /tasks`` beside a raw ``start_workflow`` of the same workflow."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles

from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.client import data_converter
from agentkit.catalog.catalog import load_catalog
from agentkit.messages import user_message
from api.tasks.task_start import new_task_id
from benchmarks.surroundings import Surroundings, child, free_port, listening
from benchmarks.task import INPUT, INSTRUCTIONS
from workflows.task_types import WORKFLOW_TYPE, TaskInput

__all__ = ["Latency", "measure_submissions"]

_AGENT = f"""\
name: benchmark
model: openai:steps-5
instructions: {INSTRUCTIONS}
tools: [calculator]
"""
_QUEUE = "submissions"
"""Nobody works on it, so that only submissions are measured."""
_LONGEST = 30.0
"""Seconds until a request counts as lost."""

_Submit = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds until a task was accepted."""

    p50: float
    p95: float


async def measure_submissions(where: Surroundings, count: int) -> dict[str, Latency]:
    """Submit ``count`` tasks in each way, one after the other and in turns; return both latencies by name."""
    app_dir = _app_dir(where.directory)
    settings = Settings.load(app_dir, task_queue=_QUEUE, data_dir=where.directory, check_keys=False)
    client = await Client.connect(where.temporal, data_converter=data_converter(settings))
    task = TaskInput(agent=load_catalog(settings).spec("benchmark"), message=user_message(INPUT))

    async def raw() -> None:
        await client.start_workflow(WORKFLOW_TYPE, task, id=new_task_id(), task_queue=_QUEUE)

    async with _api(where, app_dir) as connection:

        async def post() -> None:
            await asyncio.to_thread(_post, connection)

        ways: dict[str, _Submit] = {"raw `start_workflow`": raw, "`POST /tasks`": post}
        took = await _in_turns(ways, count)
    return {name: _latency(times) for name, times in took.items()}


async def _in_turns(ways: dict[str, _Submit], count: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(count // 10):
        for submit in ways.values():
            await submit()
    for turn in range(count):
        for name in list(ways) if turn % 2 else reversed(ways):
            began = time.perf_counter()
            await ways[name]()
            took[name].append((time.perf_counter() - began) * 1000)
    return took


def _latency(times: list[float]) -> Latency:
    percentiles = quantiles(times, n=100)
    return Latency(p50=percentiles[49], p95=percentiles[94])


def _app_dir(directory: Path) -> Path:
    app_dir = directory / "app"
    (app_dir / "agents").mkdir(parents=True)
    (app_dir / "agents" / "benchmark.yaml").write_text(_AGENT)
    return app_dir


def _post(connection: HTTPConnection) -> None:
    """Submit as a client does that costs next to nothing itself; httpx2's 2 ms a request would blur the picture."""
    body = json.dumps({"agent": "benchmark", "input": INPUT})
    connection.request("POST", "/api/v1/tasks", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != HTTPStatus.CREATED:
        raise RuntimeError(f"POST /tasks: {answer.status} {said.decode()}")


@asynccontextmanager
async def _api(where: Surroundings, app_dir: Path) -> AsyncIterator[HTTPConnection]:
    port = free_port()
    options = (f"--port={port}", f"--app-dir={app_dir}", f"--data-dir={where.directory}")
    environment = {"TEMPORAL_ADDRESS": where.temporal, "OPSPAWN_TASK_QUEUE": _QUEUE, "OPSPAWN_CHECK_KEYS": "false"}
    async with child(sys.executable, "-m", "api", *options, environment=environment):
        await listening(port)
        with closing(HTTPConnection("127.0.0.1", port, timeout=_LONGEST)) as connection:
            yield connection
