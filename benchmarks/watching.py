"""What it costs to watch: ``python -m benchmarks.watching [--quick]`` prints Markdown.

The model says the moment at which each of its words came; a watcher takes that from the moment at which it reads the
word, on the same clock. So a latency is what lies between the worker's reading the provider's stream and the watcher's
reading ours. Everything is on one machine: worker, relay, API, Temporal, and the watchers, in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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
from activities.temporal.client import data_converter
from agentkit.interfaces import ModelDelta
from agentkit.messages import user_message
from agentkit.specs import AgentSpec
from api.tasks.task_start import new_task_id
from benchmarks.surroundings import child, free_port, listening, surroundings
from workflows.task_types import WORKFLOW_TYPE, TaskInput

__all__ = ["main"]

_QUEUE = "watching"
_LONGEST = 120.0
"""Seconds until a case counts as stuck."""
_WORKERS = 3
"""A worker asks 100 models at once."""
_CATCHING_UP = 1.0
"""Seconds from the start of a watch in which durable events may be old."""


@dataclass(frozen=True, slots=True)
class Case:
    """A load: tasks, each watched by so many, in each of which a model speaks so fast, for so many seconds."""

    tasks: int
    watchers: int
    rate: int
    seconds: float


@dataclass(slots=True)
class Seen:
    """What all watchers saw, in milliseconds."""

    deltas: list[float] = field(default_factory=list)
    durable: list[float] = field(default_factory=list)
    words: int = 0

    def take(self, line: bytes, old: bool) -> None:
        """Take a line of a stream."""
        if not line.startswith(b"data: "):
            return
        event = json.loads(line[6:])
        if event["type"] == "model.delta":
            now = time.monotonic_ns()
            moments = [int(word) for word in event["text"].split()]
            self.words += len(moments)
            if not old:
                self.deltas += [(now - moment) / 1e6 for moment in moments]
        elif "completed" in event["type"] and not old:
            behind = time.time() - datetime.fromisoformat(event["at"]).timestamp()
            self.durable.append(behind * 1000)


@dataclass(frozen=True, slots=True)
class _Place:
    client: Client
    api: Process
    port: int
    workers: Sequence[Process]

    async def used(self) -> dict[str, float]:
        """Return what the API has used."""
        line = await _ask(self.api)
        found: dict[str, float] = json.loads(line)
        return found

    async def worker_cpu(self) -> float:
        return sum([float(await _ask(worker)) for worker in self.workers])

    async def start(self, case: Case) -> str:
        model = f"demo:{int(case.rate * case.seconds)}x{case.rate}"
        agent = AgentSpec(name="clock", models=(model,), planner="tools", instructions="Say the time.")
        task = TaskInput(agent=agent, message=user_message("What is the time?"))
        started = await self.client.start_workflow(WORKFLOW_TYPE, task, id=new_task_id(), task_queue=_QUEUE)
        return started.id

    async def events(self, task_id: str) -> int:
        """Return the length of a task's history."""
        described = await self.client.get_workflow_handle(task_id).describe()
        return described.history_length


async def _ask(process: Process) -> str:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("The process has no pipes")
    process.stdin.write(b"\n")
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    if not line:
        raise RuntimeError("A process of the benchmark has died: see what it wrote above")
    return line.decode()


@asynccontextmanager
async def _place(directory: Path) -> AsyncIterator[_Place]:
    async with AsyncExitStack() as stack:
        where = await stack.enter_async_context(surroundings(directory))
        port, relay_port = free_port(), free_port()
        places = ("--temporal", where.temporal, "--data-dir", str(directory), "--relay-port", str(relay_port))
        common = ("--task-queue", _QUEUE, *places)
        (directory / "app").mkdir()
        options = (*common, "--app-dir", str(directory / "app"), "--port", str(port))
        api = await stack.enter_async_context(child(sys.executable, "-m", "benchmarks.front", *options))
        await listening(port)
        workers = [
            await stack.enter_async_context(child(sys.executable, "-m", "benchmarks.speaking", *common))
            for _ in range(_WORKERS)
        ]
        settings = Settings(data_dir=directory)
        client = await Client.connect(where.temporal, data_converter=data_converter(settings))
        place = _Place(client, api, port, workers)
        await place.worker_cpu()
        yield place


async def _watch(port: int, task_id: str, seen: Seen, opened: asyncio.Semaphore) -> None:
    """Read a stream to its end, at next to no cost of our own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4 * 1_048_576)
    writer.write(f"GET /api/v1/tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"GET events: {status.decode()}")
    began = time.monotonic()
    opened.release()
    while (line := await reader.readline()) not in (b"", b"0\r\n"):
        seen.take(line, time.monotonic() - began < _CATCHING_UP)
    writer.close()


async def _measure(place: _Place, case: Case) -> tuple[str, Seen]:
    """Return a line of the table, and what was seen."""
    seen, opened = Seen(), asyncio.Semaphore(0)
    watchers = case.tasks * case.watchers
    async with asyncio.timeout(_LONGEST):
        before, worker_before, began = await place.used(), await place.worker_cpu(), time.monotonic()
        task_ids = await asyncio.gather(*(place.start(case) for _ in range(case.tasks)))
        watching = [
            asyncio.create_task(_watch(place.port, task_id, seen, opened))
            for task_id in task_ids
            for _ in range(case.watchers)
        ]
        for _ in range(watchers):
            await opened.acquire()
        polls = (await place.used())["polls"]
        await asyncio.gather(*watching)
        took, after = time.monotonic() - began, await place.used()
        worker_cpu = await place.worker_cpu() - worker_before
    p50, p99 = _percentiles(seen.deltas)
    durable, _ = _percentiles(seen.durable)
    cells = (
        f"{case.tasks} x {case.watchers}",
        f"{case.rate}",
        f"{p50:.1f}",
        f"{p99:.1f}",
        f"{durable:.1f}",
        f"{polls:.0f}",
        f"{(after['cpu'] - before['cpu']) / took * 100:.0f} %",
        f"{worker_cpu / took * 100:.0f} %",
        f"{after['memory']:.0f}",
        f"{seen.words / (watchers * int(case.rate * case.seconds)) * 100:.1f} %",
    )
    return f"| {' | '.join(cells)} |\n", seen


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return float("nan"), float("nan")
    percentiles = quantiles(values, n=100)
    return percentiles[49], percentiles[98]


async def _history(place: _Place) -> str:
    """Compare the histories of a task that is watched and one that isn't."""
    case = Case(1, 1, 20, 2)
    unwatched, watched = await place.start(case), await place.start(case)
    await _watch(place.port, watched, Seen(), asyncio.Semaphore(0))
    await place.client.get_workflow_handle(unwatched).result()
    extra = await place.events(watched) - await place.events(unwatched)
    return f"Events of history that watching adds: {extra}.\n"


async def _unheard() -> str:
    """Measure what a delta costs when nobody watches."""
    count, delta = 200_000, ModelDelta("text", "word ")
    async with TokenStreams().publishing(ResponseId("task", "run", "1", 1, 1)) as emit:
        began = time.process_time()
        for _ in range(count):
            emit(delta)
        spent = time.process_time() - began
    return (
        f"A delta that nobody watches costs the worker {spent / count * 1e6:.2f} µs of CPU: "
        f"{spent / count * 100 * 100:.2f} % of a core at 100 deltas a second.\n"
    )


_WHOLE = (Case(1, 1, 50, 10), Case(50, 1, 50, 10), Case(1, 500, 20, 10), Case(200, 1, 5, 10))
_QUICK = (Case(1, 1, 50, 3), Case(10, 1, 50, 3), Case(1, 50, 20, 3))


async def _run(cases: Sequence[Case]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with _place(Path(directory)) as place:
            sys.stdout.write(
                "| tasks x watchers | deltas/s of a task | delta p50, ms | p99, ms | durable p50, ms | polls "
                "| API CPU | workers' CPU | API's most memory so far, MiB | heard |\n"
                "|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            )
            for case in cases:
                line, _ = await _measure(place, case)
                sys.stdout.write(line)
                sys.stdout.flush()
            sys.stdout.write(f"\n{await _history(place)}{await _unheard()}")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute, to see that it works")
    asyncio.run(_run(_QUICK if parser.parse_args().quick else _WHOLE))


if __name__ == "__main__":
    main()
