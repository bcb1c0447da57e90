"""A whole system of real processes: Temporal on a file, workers and the API, each of which a test may kill."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import httpx2
import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.client import connect
from cli.temporal_server import TemporalServer, find_temporal

POLL_SECONDS = 0.05

GATE_TOOL = '''
"""Tools that a test can hold up."""

import asyncio
from pathlib import Path

from agentkit.interfaces import ToolContext
from agentkit.tools import tool


@tool(effect="pure", timeout=60)
async def gate(directory: str, context: ToolContext) -> str:
    """Wait until the file "open" is there.

    Args:
        directory: Where to look.
    """
    place = Path(directory)
    (place / f"attempt-{context.attempt}").touch()
    while not (place / "open").exists():
        await asyncio.sleep(0.02)
    return "the gate is open"
'''

AGENT = """
name: porter
model: demo:demo
tools: [gate, calculator, current_time]
"""


async def eventually(condition: Callable[[], Awaitable[bool]], what: str, within: float = 30) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        await asyncio.sleep(POLL_SECONDS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Stack:
    """The processes of one system, in a directory of its own."""

    directory: Path
    temporal_port: int
    task_queue: str
    api_port: int = field(default_factory=free_port)
    relay_port: int = field(default_factory=free_port)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _logs: list[TextIO] = field(default_factory=list)

    @property
    def app_dir(self) -> Path:
        return self.directory / "app"

    @property
    def settings(self) -> Settings:
        return Settings(
            app_dir=self.app_dir,
            data_dir=self.directory / "data",
            task_queue=self.task_queue,
            temporal_port=self.temporal_port,
        )

    def write_app(self) -> None:
        (self.app_dir / "agents").mkdir(parents=True)
        (self.app_dir / "tools").mkdir()
        (self.app_dir / "agents" / "porter.yaml").write_text(AGENT)
        (self.app_dir / "tools" / "gate.py").write_text(GATE_TOOL)

    def start_temporal(self) -> None:
        server = TemporalServer(
            binary=find_temporal(self.settings), port=self.temporal_port, database=self.directory / "temporal.db"
        )
        self._start("temporal", server.command())

    def start_worker(self, name: str = "worker") -> None:
        self._start(name, [sys.executable, "-m", "worker"])

    def start_api(self) -> None:
        self._start("api", [sys.executable, "-m", "api"])

    def kill(self, name: str) -> None:
        """As ``kill -9`` does."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def terminate(self, name: str) -> int:
        """As a deploy does; return the exit code."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(20)

    def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait(10)
        for log in self._logs:
            log.close()

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def _start(self, name: str, command: list[str]) -> None:
        log = (self.directory / f"{name}.log").open("a")
        self._logs.append(log)
        environment = {
            **os.environ,  # noqa: TID251  # children need PATH and HOME
            "OPSPAWN_APP_DIR": str(self.app_dir),
            "OPSPAWN_DATA_DIR": str(self.directory / "data"),
            "OPSPAWN_TASK_QUEUE": self.task_queue,
            "OPSPAWN_PORT": str(self.api_port),
            "OPSPAWN_GRPC_PORT": "0",  # its default is one port for the whole machine
            "OPSPAWN_RELAY_PORT": str(self.relay_port),
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.temporal_port}",
        }
        self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.api_port}", timeout=httpx2.Timeout(70), trust_env=False
        )

    async def temporal(self) -> Client:
        return await connect(self.settings)

    async def ready(self) -> None:
        """Wait until the API answers, Temporal behind it, and a worker polls."""
        await eventually(lambda: self._answers("/readyz"), "readyz is 200", within=60)

    async def _answers(self, path: str) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            async with self.client() as client:
                return (await client.get(path)).status_code == 200
        return False

    async def submit(self, text: str, agent: str = "porter") -> str:
        async with self.client() as client:
            response = await client.post("/api/v1/tasks", json={"agent": agent, "input": text})
        assert response.status_code == 201, response.text
        task_id: str = response.json()["id"]
        return task_id

    async def ended(self, task_id: str) -> dict[str, Any]:
        """Wait for the task's end, over as many long polls as it takes."""
        async with self.client() as client:
            task: dict[str, Any] = {}
            async with asyncio.timeout(90):
                while not task.get("completed_at"):
                    with contextlib.suppress(httpx2.TransportError):
                        response = await client.get(f"/api/v1/tasks/{task_id}", params={"wait": 30})
                        task = response.json() if response.status_code == 200 else {}
                    await asyncio.sleep(POLL_SECONDS)
        return task

    async def transcript(self, task_id: str) -> list[dict[str, Any]]:
        async with self.client() as client:
            response = await client.get(f"/api/v1/tasks/{task_id}/transcript")
        assert response.status_code == 200, response.text
        messages: list[dict[str, Any]] = response.json()["messages"]
        return messages

    async def runs_activity(self, task_id: str, activity_type: str) -> None:
        """Wait until a worker has started that activity."""
        handle = (await self.temporal()).get_workflow_handle(task_id)

        async def started() -> bool:
            described = await handle.describe()
            pending = described.raw_description.pending_activities
            return any(
                one.activity_type.name == activity_type
                and one.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
                for one in pending
            )

        await eventually(started, f"{activity_type} runs")


@pytest.fixture(scope="session")
def temporal_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """One Temporal for all tests that don't kill it."""
    stack = Stack(tmp_path_factory.mktemp("temporal"), free_port(), "none")
    stack.start_temporal()
    yield stack.temporal_port
    stack.stop()


def _stack(directory: Path, port: int) -> Stack:
    stack = Stack(directory, port, f"acceptance-{uuid.uuid4().hex[:8]}")
    stack.write_app()
    return stack


@pytest.fixture
async def stack(tmp_path: Path, temporal_port: int) -> AsyncIterator[Stack]:
    """A worker and an API of the test's own, on the shared Temporal."""
    stack = _stack(tmp_path, temporal_port)
    try:
        stack.start_worker()
        stack.start_api()
        await stack.ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def own_temporal_stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """Everything of the test's own."""
    stack = _stack(tmp_path, free_port())
    try:
        stack.start_temporal()
        stack.start_worker()
        stack.start_api()
        await stack.ready()
        yield stack
    finally:
        stack.stop()
