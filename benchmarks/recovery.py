"""How soon a task goes on after its worker was killed: ``python -m benchmarks.recovery [--kills N] [--load N]``.

Runs ``opspawn dev``, kills its worker by SIGKILL during a model request, at a random moment, and takes the time until
another attempt of that request has started. ``--load`` runs endless loops beside it. Prints Markdown.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from httpx2 import AsyncClient
from temporalio.client import Client

from activities.temporal.task_queue_pollers import recent_pollers
from benchmarks.processes import run_process, wait_until_listening
from cli.dev.ports import free_port

__all__ = ["main"]

_TASK_QUEUE = "opspawn"
_LOOP = "while True: pass"
_THINK_MS = 60_000


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the kills of a run led to."""

    recoveries_s: list[float]
    false_timeouts: int
    """Attempts that were repeated although no worker was killed."""


@asynccontextmanager
async def _running_dev(directory: Path) -> AsyncIterator[tuple[AsyncClient, Client]]:
    """Run ``opspawn dev``; yield clients of its API and its Temporal."""
    ports = {option: str(free_port()) for option in ("--port", "--temporal-port", "--ui-port", "--grpc-port")}
    options = [part for option in ports.items() for part in option]
    command = (sys.executable, "-P", "-m", "opspawn", "dev", "--app-dir", str(directory), *options, "--no-reload")
    async with run_process(*command, quiet=True):
        await wait_until_listening(int(ports["--port"]))
        async with AsyncClient(base_url=f"http://127.0.0.1:{ports['--port']}", trust_env=False, timeout=30) as http:
            while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.2)
            yield http, await Client.connect(f"127.0.0.1:{ports['--temporal-port']}")


async def _attempt(temporal: Client, task_id: str) -> int:
    """Return the attempt of the model request that has started; 0 when none has."""
    description = await temporal.get_workflow_handle(task_id).describe()
    pending = description.raw_description.pending_activities
    return next((each.attempt for each in pending if each.HasField("last_started_time") and each.state == 2), 0)


async def _wait_for_attempt(temporal: Client, task_id: str, attempt: int) -> None:
    while await _attempt(temporal, task_id) < attempt:  # noqa: ASYNC110  # another process
        await asyncio.sleep(0.02)


async def _kill_worker(temporal: Client) -> None:
    pollers = await recent_pollers(temporal, _TASK_QUEUE)
    workers = [poller.worker for poller in pollers if poller.worker is not None and not poller.worker.has_ended]
    os.kill(workers[0].pid, signal.SIGKILL)


async def _measure(kills: int, seed: int) -> _Measured:
    source = random.Random(seed)
    recoveries: list[float] = []
    false_timeouts = 0
    with TemporaryDirectory() as name:
        async with _running_dev(Path(name)) as (http, temporal):
            for _ in range(kills):
                body = {"agent": "assistant", "input": f"think {_THINK_MS}\nsay done", "model": "demo:demo"}
                task_id = (await http.post("/api/v1/tasks", json=body)).raise_for_status().json()["id"]
                await _wait_for_attempt(temporal, task_id, 1)
                await asyncio.sleep(source.uniform(0, 3))
                false_timeouts += await _attempt(temporal, task_id) > 1
                await _kill_worker(temporal)
                killed_at = time.monotonic()
                await _wait_for_attempt(temporal, task_id, 2)
                recoveries.append(time.monotonic() - killed_at)
                await asyncio.sleep(6)  # longer than the heartbeat timeout
                false_timeouts += await _attempt(temporal, task_id) > 2
                await temporal.get_workflow_handle(task_id).terminate()
    return _Measured(recoveries, false_timeouts)


async def _run(kills: int, load: int, seed: int) -> _Measured:
    async with AsyncExitStack() as stack:
        for _ in range(load):
            await stack.enter_async_context(run_process(sys.executable, "-c", _LOOP, quiet=True))
        return await _measure(kills, seed)


def main() -> None:
    """Measure, and print a table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--load", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    measured = asyncio.run(_run(options.kills, options.load, options.seed))
    times = sorted(measured.recoveries_s)
    sys.stdout.write(
        "| kills | endless loops beside it | p50, s | p95, s | slowest, s | attempts repeated without a kill |\n"
        "|--:|--:|--:|--:|--:|--:|\n"
        f"| {options.kills} | {options.load} | {statistics.median(times):.1f} | "
        f"{times[int(0.95 * (len(times) - 1))]:.1f} | {times[-1]:.1f} | {measured.false_timeouts} |\n"
    )


if __name__ == "__main__":
    main()
