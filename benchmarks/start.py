"""How long a start takes: ``python -m benchmarks.start [--runs N]``. Prints Markdown; only on Linux.

Starts in turns, with bytecode that is cached: a bare Temporal worker until it polls, Opspawn's worker until it polls,
without keys of models and with those of every provider, and the API until ``/healthz`` responds.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

from httpx2 import AsyncClient, TransportError
from temporalio.client import Client

from activities.temporal.task_queue_pollers import describe_task_queue
from benchmarks.processes import BenchmarkServers, run_process, run_servers
from cli.dev.ports import free_port

__all__ = ["StartCost", "main", "markdown"]

BARE = "bare Temporal worker"
_INTERVAL_S = 0.01
_TIMEOUT_S = 120.0
_CPU_FIELDS = slice(11, 13)
"""Of ``/proc/PID/stat`` after the name of the command: user and system time, in ticks."""

_URL = "http://127.0.0.1:9/v1"
_PROVIDERS = {
    **{f"{name}_API_KEY": "sk-benchmark-benchmark" for name in ("OPENAI", "ANTHROPIC", "GOOGLE")},
    **{f"OPSPAWN_{name}_BASE_URL": _URL for name in ("OPENROUTER", "OPENAI_COMPATIBLE")},
}

_IsReady = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class StartCost:
    """What one start took, in seconds."""

    wall_s: float
    cpu_s: float
    """User and system time of the process itself."""


class _Starts:
    """Starts processes that use one Temporal server, each in a task queue of its own."""

    def __init__(self, servers: BenchmarkServers, client: Client, http: AsyncClient) -> None:
        self._servers = servers
        self._client = client
        self._http = http

    async def bare_worker(self) -> StartCost:
        queue = f"start-{uuid4()}"
        command = ("-m", "benchmarks.programs.bare_worker", self._servers.temporal, queue)
        return await self._start(command, {}, lambda: self._has_poller(queue))

    async def worker(self, variables: Mapping[str, str]) -> StartCost:
        queue = f"start-{uuid4()}"
        command = ("-P", "-m", "opspawn", "--module", "worker")
        environment = {"OPSPAWN_TASK_QUEUE": queue, "OPSPAWN_RELAY_PORT": "0", **variables}
        return await self._start(command, environment, lambda: self._has_poller(queue))

    async def api(self) -> StartCost:
        url = f"http://127.0.0.1:{(port := free_port())}/healthz"
        command = ("-P", "-m", "opspawn", "--module", "api", "--port", str(port), "--grpc-port", str(free_port()))
        return await self._start(command, {"OPSPAWN_RELAY_PORT": str(free_port())}, lambda: self._responds(url))

    async def _start(self, command: tuple[str, ...], variables: Mapping[str, str], is_ready: _IsReady) -> StartCost:
        environment = {
            "TEMPORAL_ADDRESS": self._servers.temporal,
            "OPSPAWN_APP_DIR": str(self._servers.directory),
            "PYTHONPYCACHEPREFIX": str(self._servers.directory / "bytecode"),
            "PYTHONDONTWRITEBYTECODE": "",
            **variables,
        }
        started_at = time.monotonic()
        async with run_process(sys.executable, *command, environment=environment, quiet=True) as process:
            async with asyncio.timeout(_TIMEOUT_S):
                while not await is_ready():
                    if process.returncode is not None:
                        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
                    await asyncio.sleep(_INTERVAL_S)
            return StartCost(time.monotonic() - started_at, _cpu_s(process.pid))

    async def _has_poller(self, queue: str) -> bool:
        return bool((await describe_task_queue(self._client, queue)).pollers)

    async def _responds(self, url: str) -> bool:
        with suppress(TransportError):
            return (await self._http.get(url)).is_success
        return False


def markdown(costs: Mapping[str, list[StartCost]]) -> str:
    """Return a table of medians; the ratios are medians of those within a round."""
    lines = ["| | CPU, s | x bare | wall, s | x bare |", "|:--|--:|--:|--:|--:|"]
    for name, measured in costs.items():
        pairs = list(zip(measured, costs[BARE], strict=True))
        cpu, wall = median(cost.cpu_s for cost in measured), median(cost.wall_s for cost in measured)
        cpu_ratio = median(cost.cpu_s / bare.cpu_s for cost, bare in pairs)
        wall_ratio = median(cost.wall_s / bare.wall_s for cost, bare in pairs)
        lines.append(f"| {name} | {cpu:.2f} | {cpu_ratio:.2f} | {wall:.2f} | {wall_ratio:.2f} |")
    return "\n".join(lines)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[_CPU_FIELDS])) / os.sysconf("SC_CLK_TCK")


async def _measure(runs: int, directory: Path) -> Mapping[str, list[StartCost]]:
    async with run_servers(directory) as servers, AsyncClient(trust_env=False) as http:
        starts = _Starts(servers, await Client.connect(servers.temporal), http)
        candidates: dict[str, Callable[[], Awaitable[StartCost]]] = {
            BARE: starts.bare_worker,
            "worker": lambda: starts.worker({}),
            "worker, keys of every provider": lambda: starts.worker(_PROVIDERS),
            "API": starts.api,
        }
        for start in candidates.values():  # writes the bytecode
            await start()
        costs: dict[str, list[StartCost]] = {name: [] for name in candidates}
        for _ in range(runs):
            for name, start in candidates.items():
                costs[name].append(await start())
        return costs


def main() -> None:
    """Measure, and print Markdown."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="starts of each")
    with TemporaryDirectory() as directory:
        costs = asyncio.run(_measure(parser.parse_args().runs, Path(directory)))
    sys.stdout.write(f"{markdown(costs)}\n")


if __name__ == "__main__":
    main()
