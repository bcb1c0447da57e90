"""The processes of a benchmark: Temporal as ``opspawn dev`` starts it, a scripted model, workers. All end with it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from activities.settings import Settings
from cli.dev.ports import free_port
from cli.temporal_server import TemporalServer, find_temporal

__all__ = [
    "BenchmarkServers",
    "WorkerProcess",
    "request_line",
    "run_process",
    "run_servers",
    "run_worker",
    "wait_until_listening",
]

_READY_TIMEOUT_S = 60.0
_GRACE_S = 10.0
"""Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True, slots=True)
class BenchmarkServers:
    """The servers that a benchmark uses."""

    temporal: str
    """Temporal's ``host:port``."""
    openai: str
    """The scripted model's base URL."""
    directory: Path
    """For files of the benchmark."""


class WorkerProcess:
    """A worker process that reports its CPU time."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def cpu_seconds(self) -> float:
        """Return the user and system time of the process since its start."""
        return float(await request_line(self._process))


async def wait_until_listening(port: int) -> None:
    """Wait until a server accepts connections on a port of this machine."""
    async with asyncio.timeout(_READY_TIMEOUT_S):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def run_process(
    *command: str, environment: Mapping[str, str] | None = None, quiet: bool = False
) -> AsyncIterator[Process]:
    """Run a process until the block ends: with these variables added to the environment; ``quiet`` drops its stderr."""
    variables = [f"{name}={value}" for name, value in (environment or {}).items()]
    log = DEVNULL if quiet else None
    process = await asyncio.create_subprocess_exec("env", *variables, *command, stdin=PIPE, stdout=PIPE, stderr=log)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.communicate(), _GRACE_S)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def run_servers(directory: Path) -> AsyncIterator[BenchmarkServers]:
    """Run Temporal and the scripted model, with their files in ``directory``."""
    server = TemporalServer(find_temporal(Settings()), free_port(), database=directory / "temporal.db")
    # Temporal logs each connection that it loses while it stops.
    temporal = run_process(*server.command(), quiet=True)
    async with temporal, run_process(sys.executable, "-m", "benchmarks.programs.scripted_model") as model:
        await wait_until_listening(server.port)
        yield BenchmarkServers(f"127.0.0.1:{server.port}", await _read_line(model), directory)


@asynccontextmanager
async def run_worker(candidate: str, servers: BenchmarkServers) -> AsyncIterator[WorkerProcess]:
    """Run the worker of a candidate, on a task queue of the same name."""
    options = {
        "--task-queue": candidate,
        "--temporal": servers.temporal,
        "--openai": servers.openai,
        "--data-dir": str(servers.directory),
    }
    arguments = (argument for option in options.items() for argument in option)
    async with run_process(
        sys.executable, "-m", "benchmarks.programs.measured_worker", candidate, *arguments
    ) as process:
        worker = WorkerProcess(process)
        await worker.cpu_seconds()
        yield worker


async def request_line(process: Process) -> str:
    """Return the line that a process writes for a line on its stdin."""
    if process.stdin is None:
        raise RuntimeError("The process has no stdin")
    process.stdin.write(b"\n")
    return await _read_line(process)


async def _read_line(process: Process) -> str:
    if process.stdout is None:
        raise RuntimeError("The process has no stdout")
    line = await asyncio.wait_for(process.stdout.readline(), _READY_TIMEOUT_S)
    if not line:
        raise RuntimeError("A process of the benchmark has ended: see its log above")
    return line.decode().strip()
