"""The latency of a submission: ``POST /tasks`` compared with ``start_workflow`` of the same workflow."""

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
from activities.temporal.data_converter import data_converter
from agentkit.catalog.catalog import load_catalog
from agentkit.messages import user_message
from api.tasks.starting.task_start import new_task_id
from benchmarks.lookup_task import INPUT, INSTRUCTIONS
from benchmarks.processes import BenchmarkServers, run_process, wait_until_listening
from cli.dev.ports import free_port
from workflows.task_types import WORKFLOW_TYPE, TaskInput

__all__ = ["Latency", "measure_submissions"]

_AGENT = f"""\
name: benchmark
model: openai:steps-5
instructions: {INSTRUCTIONS}
tools: [calculator]
"""
_QUEUE = "submissions"
"""No worker polls it, so that only submissions are measured."""
_REQUEST_TIMEOUT_S = 30.0

_Submit = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of the milliseconds until a task was accepted."""

    p50: float
    p95: float


async def measure_submissions(servers: BenchmarkServers, count: int) -> dict[str, Latency]:
    """Submit ``count`` tasks by each method, sequentially and in turns; return the latencies by the method's name."""
    app_dir = _app_dir(servers.directory)
    settings = Settings.load(app_dir, task_queue=_QUEUE, data_dir=servers.directory, check_keys=False)
    client = await Client.connect(servers.temporal, data_converter=data_converter(settings))
    task = TaskInput(agent=load_catalog(settings).spec("benchmark"), message=user_message(INPUT))

    async def raw() -> None:
        await client.start_workflow(WORKFLOW_TYPE, task, id=new_task_id(), task_queue=_QUEUE)

    async with _api(servers, app_dir) as connection:

        async def post() -> None:
            await asyncio.to_thread(_post, connection)

        methods: dict[str, _Submit] = {"raw `start_workflow`": raw, "`POST /tasks`": post}
        times_by_name = await _time_in_turns(methods, count)
    return {name: _latency(times) for name, times in times_by_name.items()}


async def _time_in_turns(methods: dict[str, _Submit], count: int) -> dict[str, list[float]]:
    """Return the milliseconds of each submission, after some to warm up."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(count // 10):
        for submit in methods.values():
            await submit()
    for turn in range(count):
        for name in list(methods) if turn % 2 else reversed(methods):
            started_at = time.perf_counter()
            await methods[name]()
            times[name].append((time.perf_counter() - started_at) * 1000)
    return times


def _latency(times: list[float]) -> Latency:
    percentiles = quantiles(times, n=100)
    return Latency(p50=percentiles[49], p95=percentiles[94])


def _app_dir(directory: Path) -> Path:
    app_dir = directory / "app"
    (app_dir / "agents").mkdir(parents=True)
    (app_dir / "agents" / "benchmark.yaml").write_text(_AGENT)
    return app_dir


def _post(connection: HTTPConnection) -> None:
    """Submit with the standard library's client: httpx2 would add 2 ms to each request."""
    body = json.dumps({"agent": "benchmark", "input": INPUT})
    connection.request("POST", "/api/v1/tasks", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read().decode()
    if response.status != HTTPStatus.CREATED:
        raise RuntimeError(f"POST /tasks: {response.status} {text}")


@asynccontextmanager
async def _api(servers: BenchmarkServers, app_dir: Path) -> AsyncIterator[HTTPConnection]:
    port = free_port()
    options = (f"--port={port}", f"--app-dir={app_dir}", f"--data-dir={servers.directory}")
    environment = {
        "TEMPORAL_ADDRESS": servers.temporal,
        "OPSPAWN_TASK_QUEUE": _QUEUE,
        "OPSPAWN_CHECK_KEYS": "false",
        "OPSPAWN_GRPC_PORT": "0",
    }
    async with run_process(sys.executable, "-m", "api", *options, environment=environment):
        await wait_until_listening(port)
        with closing(HTTPConnection("127.0.0.1", port, timeout=_REQUEST_TIMEOUT_S)) as connection:
            yield connection
