"""What a benchmark runs in: Temporal as ``opspawn dev`` starts it, a scripted model and workers, all ended with it."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from activities.settings import Settings
from cli.temporal_server import TemporalServer, find_temporal

__all__ = ["Surroundings", "WorkerProcess", "child", "free_port", "listening", "surroundings", "worker_process"]

_READY = 60.0
"""Seconds that a process may take until it is ready."""
_GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where things are."""

    temporal: str
    """``host:port``."""
    openai: str
    """Base URL of the scripted model."""
    directory: Path
    """Ours to write to."""


class WorkerProcess:
    """A worker that tells how much CPU it has used."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def cpu_seconds(self) -> float:
        """Return user and system time of the whole process since its start."""
        if self._process.stdin is None:
            raise RuntimeError("The worker has no stdin")
        self._process.stdin.write(b"\n")
        return float(await _line(self._process))


def free_port() -> int:
    """Return a port of this machine that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def listening(port: int) -> None:
    """Wait until something accepts connections on a port of this machine."""
    async with asyncio.timeout(_READY):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def child(
    *command: str, environment: Mapping[str, str] | None = None, quiet: bool = False
) -> AsyncIterator[Process]:
    """Run a process, with these variables on top of the environment, until the block ends; ``quiet`` drops its log."""
    variables = [f"{name}={value}" for name, value in (environment or {}).items()]
    log = DEVNULL if quiet else None
    process = await asyncio.create_subprocess_exec("env", *variables, *command, stdin=PIPE, stdout=PIPE, stderr=log)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.communicate(), _GRACE)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def surroundings(directory: Path) -> AsyncIterator[Surroundings]:
    """Start Temporal and the scripted model, files in ``directory``."""
    server = TemporalServer(find_temporal(Settings()), free_port(), database=directory / "temporal.db")
    # Temporal logs each connection that it loses while it stops.
    temporal = child(*server.command(), quiet=True)
    async with temporal, child(sys.executable, "-m", "benchmarks.scripted") as scripted:
        await listening(server.port)
        yield Surroundings(f"127.0.0.1:{server.port}", await _line(scripted), directory)


@asynccontextmanager
async def worker_process(subject: str, where: Surroundings) -> AsyncIterator[WorkerProcess]:
    """Run the worker of a subject."""
    options = {
        "--task-queue": subject,
        "--temporal": where.temporal,
        "--openai": where.openai,
        "--data-dir": str(where.directory),
    }
    words = (word for option in options.items() for word in option)
    async with child(sys.executable, "-m", "benchmarks.subject", subject, *words) as process:
        worker = WorkerProcess(process)
        await worker.cpu_seconds()
        yield worker


async def _line(process: Process) -> str:
    if process.stdout is None:
        raise RuntimeError("The process has no stdout")
    line = await asyncio.wait_for(process.stdout.readline(), _READY)
    if not line:
        raise RuntimeError("A process of the benchmark has died: see what it wrote above")
    return line.decode().strip()
