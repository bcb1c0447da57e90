"""The supervisor restarts children, reports readiness, and stops everything in order."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console

from cli.dev.child_process import ChildSpec, ProcessGuard
from cli.dev.dev_plan import DevPlan
from cli.dev.log_view import LogView
from cli.dev.supervisor import Supervisor
from cli.errors import CommandFailed
from tests.reserved_ports import reserve_port
from tests.unit.cli.dev.process_probes import WatchedLog

RUNS = """
import signal, sys

def stop(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + " ")
    raise SystemExit

signal.signal(signal.SIGTERM, stop)
print("running", flush=True)
signal.alarm(60)
signal.pause()
"""
"""Runs until SIGTERM, and then writes its name into a file."""
SERVES = """
import http.server, threading

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *arguments):
        pass

server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[3])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""
"""Responds like an API that is ready."""


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[ProcessGuard]:
    with (tmp_path / "lock").open("w") as lock:
        guard = await ProcessGuard.start(lock.fileno())
        yield guard
        await guard.close()


class Run:
    """A supervisor that runs in a task, and its log."""

    def __init__(self, directory: Path, guard: ProcessGuard, **scripts: str) -> None:
        self.log = WatchedLog()
        self.stopped = directory / "stopped"
        self.stopping = asyncio.Event()
        port = str(reserve_port())
        defaults = {
            "temporal": RUNS,
            "worker": RUNS,
            "api": RUNS.replace("signal.signal(", f"{SERVES}\nsignal.signal("),
            **scripts,
        }
        temporal, worker, api = (
            ChildSpec(name, (sys.executable, "-c", script, str(self.stopped), name, port), {}, bool, grace_s=10.0)
            for name, script in defaults.items()
        )
        plan = DevPlan(temporal, (worker,), api, f"http://127.0.0.1:{port}", {"API": "here"}, "This is the demo model.")
        view = LogView(Console(file=self.log, width=200), self.stopping.set)
        self.task = asyncio.create_task(Supervisor(plan, view, guard, self.stopping).run())

    async def stop(self) -> None:
        self.stopping.set()
        await asyncio.wait_for(self.task, 30)


async def test_it_reports_readiness_and_stops_the_api_first_and_temporal_last(
    tmp_path: Path, guard: ProcessGuard
) -> None:
    run = Run(tmp_path, guard)
    for name in ("temporal", "worker"):
        await run.log.wait_for(rf"{name} +│ running")
    await run.log.wait_for(r"\nThis is the demo model\.\n\nAPI  here\n\nReady after \d+\.\d s\.")

    await run.stop()

    assert run.stopped.read_text().split() == ["api", "worker", "temporal"]


async def test_a_child_that_ends_is_restarted_after_a_growing_pause(tmp_path: Path, guard: ProcessGuard) -> None:
    run = Run(tmp_path, guard, worker="raise SystemExit(3)")

    await run.log.wait_for(r"worker ended with exit code 3; starting it again in 0\.5 s\.")
    await run.log.wait_for(r"worker ended with exit code 3; starting it again in 1 s\.")

    await run.stop()


async def test_a_temporal_that_ends_before_it_was_ready_ends_everything(tmp_path: Path, guard: ProcessGuard) -> None:
    run = Run(tmp_path, guard, temporal="raise SystemExit(1)", api=RUNS)

    with pytest.raises(CommandFailed, match="Temporal ended with exit code 1 before it was ready"):
        await asyncio.wait_for(run.task, 30)
