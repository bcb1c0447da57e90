"""The cost of watching tasks: ``python -m benchmarks.watching [--quick]`` prints Markdown.

Each word of the model is the time at which the worker emitted it; a watcher subtracts that from the time at which it
reads the word, on the same clock. So a latency lasts from the worker's reading of the provider's stream until the
watcher's reading of ours. Worker, relay, API and Temporal run on this machine, and the watchers in this process.

A durable event has the time at which Temporal began to write it. How late it is at its watcher includes the writing and
the response to the API's long poll; how late it is in that response is measured, too, and no API can be faster.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import quantiles

from temporalio.client import Client

from activities.settings import Settings
from activities.streaming.token_batches import ResponseId
from activities.streaming.token_streams import TokenStreams
from activities.temporal.data_converter import data_converter
from agentkit.interfaces import ModelDelta
from agentkit.messages import user_message
from agentkit.specs import AgentSpec
from api.tasks.starting.task_start import new_task_id
from benchmarks.processes import request_line, run_process, run_servers, wait_until_listening
from cli.dev.ports import free_port
from workflows.task_types import WORKFLOW_TYPE, TaskInput

__all__ = ["main"]

_QUEUE = "watching"
_TIMEOUT_S = 120.0
"""After this time a case has failed."""
_WORKERS = 3
"""Each runs 100 model activities at once, and the largest case has 200 tasks."""
_CATCH_UP_S = 1.0
"""Events in the first second of a watch are not measured: they may have happened before it."""


@dataclass(frozen=True, slots=True)
class WatchingCase:
    """A load to measure."""

    tasks: int
    watchers: int
    """Of each task."""
    rate: int
    """Words a second of each task's model."""
    seconds: float
    """Duration of each model response."""


@dataclass(slots=True)
class Latencies:
    """The latencies at all watchers, in milliseconds."""

    deltas: list[float] = field(default_factory=list)
    durable: list[float] = field(default_factory=list)
    words: int = 0
    """Words received, with or without a latency."""

    def record(self, line: bytes, *, catching_up: bool) -> None:
        """Record a line of an event stream; events received while catching up have no latency."""
        if not line.startswith(b"data: "):
            return
        event = json.loads(line[6:])
        if event["type"] == "model.delta":
            now = time.monotonic_ns()
            timestamps = [int(word) for word in event["text"].split()]
            self.words += len(timestamps)
            if not catching_up:
                self.deltas += [(now - timestamp) / 1e6 for timestamp in timestamps]
        elif "completed" in event["type"] and not catching_up:
            latency_s = time.time() - datetime.fromisoformat(event["at"]).timestamp()
            self.durable.append(latency_s * 1000)


@dataclass(frozen=True, slots=True)
class _System:
    client: Client
    api: Process
    port: int
    workers: Sequence[Process]

    async def api_usage(self) -> dict[str, float]:
        """Return the API's resource usage, as ``benchmarks.programs.api_process`` reports it."""
        usage: dict[str, float] = json.loads(await request_line(self.api))
        return usage

    async def worker_cpu_s(self) -> float:
        return sum([float(await request_line(worker)) for worker in self.workers])

    async def start(self, case: WatchingCase) -> str:
        """Start a task, and return its id."""
        model = f"demo:{int(case.rate * case.seconds)}x{case.rate}"
        agent = AgentSpec(name="clock", models=(model,), planner="tools", instructions="Stream timestamps.")
        task = TaskInput(agent=agent, message=user_message("What is the time?"))
        handle = await self.client.start_workflow(WORKFLOW_TYPE, task, id=new_task_id(), task_queue=_QUEUE)
        return handle.id

    async def history_length(self, task_id: str) -> int:
        description = await self.client.get_workflow_handle(task_id).describe()
        return description.history_length


@asynccontextmanager
async def _run_system(directory: Path) -> AsyncIterator[_System]:
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(run_servers(directory))
        port, relay_port = free_port(), free_port()
        addresses = ("--temporal", servers.temporal, "--relay-port", str(relay_port))
        common = ("--task-queue", _QUEUE, "--data-dir", str(directory), *addresses)
        (directory / "app").mkdir()
        options = (*common, "--app-dir", str(directory / "app"), "--port", str(port))
        api = await stack.enter_async_context(
            run_process(sys.executable, "-m", "benchmarks.programs.api_process", *options)
        )
        await wait_until_listening(port)
        workers = [
            await stack.enter_async_context(
                run_process(sys.executable, "-m", "benchmarks.programs.clock_worker", *common)
            )
            for _ in range(_WORKERS)
        ]
        settings = Settings(data_dir=directory)
        client = await Client.connect(servers.temporal, data_converter=data_converter(settings))
        system = _System(client, api, port, workers)
        await system.worker_cpu_s()  # the workers respond when they are ready
        yield system


async def _watch(port: int, task_id: str, latencies: Latencies, opened: asyncio.Semaphore) -> None:
    """Read a stream to its end, without an HTTP library, whose cost would be measured, too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4 * 1_048_576)
    writer.write(f"GET /api/v1/tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"GET events: {status.decode()}")
    started_at = time.monotonic()
    opened.release()
    while (line := await reader.readline()) not in (b"", b"0\r\n"):
        latencies.record(line, catching_up=time.monotonic() - started_at < _CATCH_UP_S)
    writer.close()


async def _measure(system: _System, case: WatchingCase) -> str:
    """Return a row of the table."""
    latencies, opened = Latencies(), asyncio.Semaphore(0)
    watchers = case.tasks * case.watchers
    async with asyncio.timeout(_TIMEOUT_S):
        before, worker_before, started_at = await system.api_usage(), await system.worker_cpu_s(), time.monotonic()
        task_ids = await asyncio.gather(*(system.start(case) for _ in range(case.tasks)))
        watching = [
            asyncio.create_task(_watch(system.port, task_id, latencies, opened))
            for task_id in task_ids
            for _ in range(case.watchers)
        ]
        for _ in range(watchers):
            await opened.acquire()
        polls = (await system.api_usage())["polls"]
        await asyncio.gather(*watching)
        elapsed_s, after = time.monotonic() - started_at, await system.api_usage()
        worker_cpu_s = await system.worker_cpu_s() - worker_before
    p50, p99 = _percentiles(latencies.deltas)
    durable, _ = _percentiles(latencies.durable)
    cells = (
        f"{case.tasks} x {case.watchers}",
        f"{case.rate}",
        f"{p50:.1f}",
        f"{p99:.1f}",
        f"{durable:.1f}",
        f"{after['behind'] or math.nan:.1f}",
        f"{polls:.0f}",
        f"{(after['cpu'] - before['cpu']) / elapsed_s * 100:.0f} %",
        f"{worker_cpu_s / elapsed_s * 100:.0f} %",
        f"{after['memory']:.0f}",
        f"{latencies.words / (watchers * int(case.rate * case.seconds)) * 100:.1f} %",
    )
    return f"| {' | '.join(cells)} |\n"


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return float("nan"), float("nan")
    percentiles = quantiles(values, n=100)
    return percentiles[49], percentiles[98]


async def _compare_histories(system: _System) -> str:
    """Compare the histories of a watched and an unwatched task."""
    case = WatchingCase(1, 1, 20, 2)
    unwatched, watched = await system.start(case), await system.start(case)
    await _watch(system.port, watched, Latencies(), asyncio.Semaphore(0))
    await system.client.get_workflow_handle(unwatched).result()
    extra = await system.history_length(watched) - await system.history_length(unwatched)
    return f"Events of history that watching adds: {extra}.\n"


async def _measure_unwatched_deltas() -> str:
    """Measure the cost of a delta without a watcher."""
    count, delta = 200_000, ModelDelta("text", "word ")
    async with TokenStreams().publishing(ResponseId("task", "run", "1", 1, 1)) as emit:
        started_at = time.process_time()
        for _ in range(count):
            emit(delta)
        cpu_s = time.process_time() - started_at
    return (
        f"A delta without a watcher costs the worker {cpu_s / count * 1e6:.2f} µs of CPU: "
        f"{cpu_s / count * 100 * 100:.2f} % of a core at 100 deltas a second.\n"
    )


_FULL = (
    WatchingCase(1, 1, 50, 10),
    WatchingCase(50, 1, 50, 10),
    WatchingCase(1, 500, 20, 10),
    WatchingCase(200, 1, 5, 10),
)
_QUICK = (WatchingCase(1, 1, 50, 3), WatchingCase(10, 1, 50, 3), WatchingCase(1, 50, 20, 3))


async def _run(cases: Sequence[WatchingCase]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with _run_system(Path(directory)) as system:
            sys.stdout.write(
                "| tasks x watchers | deltas/s of a task | delta p50, ms | p99, ms | durable p50, ms "
                "| in Temporal's response, ms | polls | API CPU | workers' CPU | API's peak memory, MiB | received |\n"
                "|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            )
            for case in cases:
                sys.stdout.write(await _measure(system, case))
                sys.stdout.flush()
            sys.stdout.write(f"\n{await _compare_histories(system)}{await _measure_unwatched_deltas()}")


def main() -> None:
    """Measure, and print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute, to see that it works")
    asyncio.run(_run(_QUICK if parser.parse_args().quick else _FULL))


if __name__ == "__main__":
    main()
