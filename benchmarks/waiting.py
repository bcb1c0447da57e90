"""Tasks that wait for a person: ``python -m benchmarks.waiting [--tasks N]``. Prints Markdown.

Runs ``opspawn dev``, starts tasks that ask for an approval, and measures memory, the inbox, and the time from an answer
to its verdict, with the task in the worker's cache and without. The history of an approval is that of a task with one,
less that of a task whose call the policy allows.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from httpx2 import AsyncClient
from temporalio.client import Client

from activities.temporal.task_queue_pollers import recent_pollers
from benchmarks.processes import run_process, wait_until_listening
from cli.dev.ports import free_port

__all__ = ["main"]

_TASK_QUEUE = "opspawn"
_AT_ONCE = 16
_SAMPLES = 100
_MEMORY_AT = (1_000, 2_000)
"""Numbers of waiting tasks at which memory is read besides at the end: a worker's cache, and twice as many."""
_AGENT = """\
name: {name}
model: demo:demo
tools: [pay]
policy: [{{tool: pay, then: {then}}}]
"""
_TOOL = """\
from agentkit.tools import tool


@tool(effect="irreversible")
def pay(cents: int) -> str:
    \"\"\"Pay.\"\"\"
    return "paid"
"""


@dataclass(frozen=True, slots=True)
class _Memory:
    """MiB that the processes hold."""

    worker: float
    temporal: float


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a run has measured."""

    before: _Memory
    after: dict[int, _Memory]
    """With so many tasks that wait."""
    inbox_ms: list[float]
    cached_ms: list[float]
    evicted_ms: list[float]
    approval_bytes: int


@dataclass(frozen=True, slots=True)
class _Dev:
    """A running ``opspawn dev``."""

    http: AsyncClient
    temporal: Client
    pid: int

    async def memory(self) -> _Memory:
        """Return the resident memory of the worker and of Temporal."""
        pollers = await recent_pollers(self.temporal, _TASK_QUEUE)
        (worker,) = [each.worker.pid for each in pollers if each.worker is not None and not each.worker.has_ended]
        temporal = [pid for pid in _children(self.pid) if "temporal" in _command(pid)]
        return _Memory(_resident_mib(worker), sum(map(_resident_mib, temporal)))

    async def start(self, agent: str) -> str:
        """Start a task; return its id."""
        response = await self.http.post("/api/v1/tasks", json={"agent": agent, "input": 'call pay {"cents": 700}'})
        task_id: str = response.raise_for_status().json()["id"]
        return task_id

    async def waiting(self) -> int:
        """Return how many tasks wait."""
        return (await self.temporal.count_workflows("OpspawnStatus = 'waiting'")).count

    async def answer(self, task_id: str) -> None:
        """Approve the call of a task."""
        path = f"/api/v1/tasks/{task_id}/input-requests/input_1"
        (await self.http.post(path, json={"decision": "approve", "answered_by": "ada"})).raise_for_status()

    async def history_bytes(self, task_id: str) -> int:
        """Return the size of an ended task's history."""
        await self.http.get(f"/api/v1/tasks/{task_id}", params={"wait": 60})
        history = await self.temporal.get_workflow_handle(task_id).fetch_history()
        return sum(event.ByteSize() for event in history.events)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]


def _resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@asynccontextmanager
async def _running_dev(directory: Path) -> AsyncIterator[_Dev]:
    for name, then in (("asking", "ask"), ("allowing", "allow")):
        (directory / "agents").mkdir(exist_ok=True)
        (directory / "agents" / f"{name}.yaml").write_text(_AGENT.format(name=name, then=then))
    (directory / "tools").mkdir()
    (directory / "tools" / "pay.py").write_text(_TOOL)
    ports = {option: str(free_port()) for option in ("--port", "--temporal-port", "--ui-port", "--grpc-port")}
    options = [part for option in ports.items() for part in option]
    command = (sys.executable, "-P", "-m", "opspawn", "dev", "--app-dir", str(directory), *options, "--no-reload")
    async with run_process(*command, quiet=True) as process:
        await wait_until_listening(int(ports["--port"]))
        url = f"http://127.0.0.1:{ports['--port']}"
        async with AsyncClient(base_url=url, trust_env=False, timeout=90) as http:
            while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.2)
            yield _Dev(http, await Client.connect(f"127.0.0.1:{ports['--temporal-port']}"), process.pid)


async def _start_until(dev: _Dev, count: int, ids: list[str]) -> None:
    """Start tasks, and add their ids; return when ``count`` of them wait."""

    async def start_some() -> None:
        while len(ids) < count:
            ids.append("")
            index = len(ids) - 1
            ids[index] = await dev.start("asking")

    await asyncio.gather(*(start_some() for _ in range(_AT_ONCE)))
    while await dev.waiting() < count:  # noqa: ASYNC110  # another process
        await asyncio.sleep(0.5)


async def _timed(calls: Sequence[Callable[[], Awaitable[object]]]) -> list[float]:
    """Return how long each call takes, one after the other, in milliseconds."""
    times: list[float] = []
    for call in calls:
        started = time.perf_counter()
        await call()
        times.append((time.perf_counter() - started) * 1000)
    return times


async def _measure(count: int) -> _Measured:
    with TemporaryDirectory() as name:
        async with _running_dev(Path(name)) as dev:
            await dev.history_bytes(await dev.start("allowing"))
            allowed = await dev.history_bytes(await dev.start("allowing"))
            before = await dev.memory()
            ids: list[str] = []
            after: dict[int, _Memory] = {}
            for waiting in (*(each for each in _MEMORY_AT if each < count), count):
                await _start_until(dev, waiting, ids)
                after[waiting] = await dev.memory()
            inbox = await _timed([partial(dev.http.get, "/api/v1/input-requests")] * _SAMPLES)
            cached = await _timed([partial(dev.answer, each) for each in ids[-_SAMPLES:]])
            evicted = await _timed([partial(dev.answer, each) for each in ids[:_SAMPLES]])
            approval = await dev.history_bytes(ids[0]) - allowed
    return _Measured(before, after, inbox, cached, evicted, approval)


def _table(count: int, measured: _Measured) -> str:
    memory = {0: measured.before, **measured.after}
    workers, servers = [
        [f"{each:.0f}" for each in column] for column in zip(*map(astuple, memory.values()), strict=True)
    ]
    grown = 1024 * (memory[count].temporal - memory[0].temporal) / count
    numbers = ", ".join(f"{each:,}" for each in memory)
    inbox, cached, evicted = map(statistics.median, (measured.inbox_ms, measured.cached_ms, measured.evicted_ms))
    rows = {
        f"worker, MiB, with {numbers} waiting (aim: at most 1,024)": ", ".join(workers),
        f"Temporal, MiB, with {numbers} waiting": ", ".join(servers),
        "Temporal, KiB for each waiting task": f"{grown:.1f}",
        "page of the inbox, p50, ms (aim: at most 100)": f"{inbox:.0f}",
        "answer to verdict, task in the worker's cache, p50, ms (aim: at most 50)": f"{cached:.0f}",
        "answer to verdict, task evicted, p50, ms (aim: at most 50)": f"{evicted:.0f}",
        "history of one approval, bytes (aim: at most 1,536)": f"{measured.approval_bytes:,}",
    }
    return f"| {count:,} tasks | measured |\n|:--|--:|\n" + "".join(
        f"| {name} | {value} |\n" for name, value in rows.items()
    )


def main() -> None:
    """Measure, and print a table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    options = parser.parse_args()
    sys.stdout.write(_table(options.tasks, asyncio.run(_measure(options.tasks))))


if __name__ == "__main__":
    main()
