"""A complete system of real processes: Temporal on a file, workers and the API. A test may kill any of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.client import connect
from cli.temporal_server import TemporalServer, find_temporal
from tests.process_starter import PreloadedProcess, ProcessStarter
from tests.reserved_ports import reserve_port

POLL_SECONDS = 0.05

GATE_TOOL = '''
"""A tool that a test can block."""

import asyncio
from pathlib import Path

from agentkit.interfaces import ToolContext
from agentkit.tools import tool


@tool(effect="pure", timeout=60)
async def gate(directory: str, context: ToolContext) -> str:
    """Wait until the file "open" is there.

    Args:
        directory: The directory of that file.
    """
    folder = Path(directory)
    (folder / f"attempt-{context.attempt}").touch()
    while not (folder / "open").exists():
        await asyncio.sleep(0.02)
    return "the gate is open"
'''

AGENT = """
name: porter
model: demo:demo
tools: [gate, calculator, current_time]
"""


async def eventually(condition: Callable[[], Awaitable[bool]], description: str, timeout_s: float = 30) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not await condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {description}"
        await asyncio.sleep(POLL_SECONDS)


@dataclass
class Stack:
    """The processes of one system, in a directory of its own."""

    directory: Path
    temporal_port: int
    task_queue: str
    api_port: int = field(default_factory=reserve_port)
    relay_port: int = field(default_factory=reserve_port)
    grpc_port: int = 0
    process_starter: ProcessStarter | None = None
    """What starts workers and APIs; without it each starts as Python does, which takes seconds longer."""
    _processes: dict[str, subprocess.Popen[bytes] | PreloadedProcess] = field(default_factory=dict)

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
        self._start_module(name, "worker")

    def start_api(self) -> None:
        self._start_module("api", "api")

    def pid(self, name: str) -> int:
        """Return the id of a process."""
        return self._processes[name].pid

    def kill(self, name: str) -> None:
        """End a process as ``kill -9`` does."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def terminate(self, name: str) -> int:
        """Stop a process as a deploy does; return its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(20)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Start Temporal, a worker and an API; stop everything at the end."""
        try:
            self.start_temporal()
            self.start_worker()
            self.start_api()
            await self.wait_until_ready()
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait(10)

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def _start_module(self, name: str, module: str) -> None:
        if self.process_starter is None:
            self._start(name, [sys.executable, "-m", module])
        else:
            environment, log = self._environment(name), self.directory / f"{name}.log"
            self._processes[name] = self.process_starter.start(module, environment, log)

    def _start(self, name: str, command: list[str]) -> None:
        with (self.directory / f"{name}.log").open("a") as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment(name))

    def _environment(self, name: str) -> Mapping[str, str]:
        return {
            **os.environ,  # noqa: TID251  # children need PATH and HOME
            "OPSPAWN_APP_DIR": str(self.app_dir),
            "OPSPAWN_DATA_DIR": str(self.directory / "data"),
            "OPSPAWN_TASK_QUEUE": self.task_queue,
            "OPSPAWN_PORT": str(self.api_port),
            "OPSPAWN_GRPC_PORT": str(self.grpc_port),
            "OPSPAWN_RELAY_PORT": str(self.relay_port),
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.temporal_port}",
            **self.variables_of(name),
        }

    def variables_of(self, name: str) -> Mapping[str, str]:
        """Return more environment variables of one of the processes."""
        return {}

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.api_port}", timeout=httpx2.Timeout(70), trust_env=False, verify=False
        )

    async def temporal(self) -> Client:
        return await connect(self.settings)

    async def wait_until_ready(self) -> None:
        """Wait until the API reaches Temporal, and a worker polls."""
        await eventually(lambda: self._responds_ok("/readyz"), "readyz is 200", timeout_s=60)

    async def _responds_ok(self, path: str) -> bool:
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

    async def wait_for_end(self, task_id: str) -> dict[str, Any]:
        """Wait until the task has ended, by long polls, and return it."""
        async with self.client() as client:
            task: dict[str, Any] = {}
            async with asyncio.timeout(90):
                while not task.get("completed_at"):
                    with contextlib.suppress(httpx2.TransportError):
                        response = await client.get(f"/api/v1/tasks/{task_id}", params={"wait": 30})
                        task = response.json() if response.status_code == 200 else {}
                    await asyncio.sleep(POLL_SECONDS)
        return task

    async def answer(self, task_id: str, decision: str, result: str | None = None) -> dict[str, Any]:
        """Wait until the task asks something, and answer that by signal; return the input request."""

        async def is_waiting() -> bool:
            async with self.client() as client:
                task = (await client.get(f"/api/v1/tasks/{task_id}")).json()
            requests.extend(task["input_requests"])
            return bool(requests)

        requests: list[dict[str, Any]] = []
        await eventually(is_waiting, "an input request", timeout_s=60)
        answer = {"input_request_id": requests[0]["id"], "decision": decision, "result": result}
        await (await self.temporal()).get_workflow_handle(task_id).signal("answer_input", answer)
        return requests[0]

    async def transcript(self, task_id: str) -> list[dict[str, Any]]:
        async with self.client() as client:
            response = await client.get(f"/api/v1/tasks/{task_id}/transcript")
        assert response.status_code == 200, response.text
        messages: list[dict[str, Any]] = response.json()["messages"]
        return messages

    async def wait_for_activity(self, task_id: str, activity_type: str) -> None:
        """Wait until a worker has started an activity of this type."""
        handle = (await self.temporal()).get_workflow_handle(task_id)

        async def started() -> bool:
            described = await handle.describe()
            pending = described.raw_description.pending_activities
            return any(
                activity.activity_type.name == activity_type
                and activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
                for activity in pending
            )

        await eventually(started, f"{activity_type} runs")


@pytest.fixture(scope="session")
def temporal_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start one Temporal for all tests that don't kill it; return its port."""
    stack = Stack(tmp_path_factory.mktemp("temporal"), reserve_port(), "none")
    stack.start_temporal()
    yield stack.temporal_port
    stack.stop()


@pytest.fixture
def app_files() -> Mapping[str, str]:
    """More files of the app directory; a test module may replace them."""
    return {}


def _stack(directory: Path, port: int, app_files: Mapping[str, str], process_starter: ProcessStarter) -> Stack:
    stack = Stack(directory, port, f"acceptance-{uuid.uuid4().hex[:8]}", process_starter=process_starter)
    stack.write_app()
    for name, text in app_files.items():
        (stack.app_dir / name).parent.mkdir(exist_ok=True)
        (stack.app_dir / name).write_text(text)
    return stack


@pytest.fixture
async def stack(
    tmp_path: Path, temporal_port: int, app_files: Mapping[str, str], process_starter: ProcessStarter
) -> AsyncIterator[Stack]:
    """Start a worker and an API for one test, on the shared Temporal."""
    stack = _stack(tmp_path, temporal_port, app_files, process_starter)
    try:
        stack.start_worker()
        stack.start_api()
        await stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def own_temporal_stack(
    tmp_path: Path, app_files: Mapping[str, str], process_starter: ProcessStarter
) -> AsyncIterator[Stack]:
    """Start Temporal, a worker and an API for one test."""
    async with _stack(tmp_path, reserve_port(), app_files, process_starter).running() as stack:
        yield stack
