"""Clients that request events and take none: others get theirs, memory is bounded, and the connections are closed."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
import pytest
from grpc import aio

from activities.settings import Settings
from agentkit.interfaces import Tool
from agentkit.messages import ToolCall
from agentkit.tools import tool
from api.proto.opspawn.v1 import tasks_pb2, tasks_pb2_grpc
from tests.integration.api.clerk import by_step
from tests.integration.api.conftest import serve_rest, settings_for
from tests.integration.api.test_api_server import address_of, process, unused_port
from tests.polling import eventually

_STEPS = 12
_CHARACTERS = 150_000
"""In the arguments of each step's call; they are in two events."""
_SIZE = 2 * _STEPS * _CHARACTERS
_SLOW = 20
_MAX_BYTES_EACH = 1024 * 1024
"""Of memory for a reader that takes nothing: a third of what it requests."""
_TIMEOUT_S = 60.0


_NOTE = '''
from agentkit.tools import tool


@tool(effect="pure")
def note(text: str) -> str:
    """Take a text."""
    return ""
'''


@tool(effect="pure")
def note(text: str) -> str:
    """Take a text."""
    return ""


async def _large_task(settings: Settings, tools: Tool) -> str:
    """Run a task whose events are ``_SIZE`` long; return its id."""
    calls = [
        ToolCall(id=f"c{step}", name="note", arguments={"text": str(step % 10) * _CHARACTERS}) for step in range(_STEPS)
    ]
    agent = {"name": "writer", "model": "demo:demo", "tools": ["note"]}
    async with serve_rest(settings) as api, api.worker(by_step(*calls, "Done."), tools):
        task_id = await api.submit(agent=None, agent_spec=agent)
        ended = await api.task(task_id, wait=_TIMEOUT_S)
    assert ended["output"] == "Done.", ended["error"]
    return task_id


@contextmanager
def _taking_nothing(port: int, path: str) -> Iterator[list[socket.socket]]:
    """Hold connections that requested a stream and read none of it."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    sockets = [socket.socket() for _ in range(_SLOW)]
    try:
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            each.connect(("127.0.0.1", port))
            each.sendall(request)
        yield sockets
    finally:
        for each in sockets:
            each.close()


@asynccontextmanager
async def _grpc_call_taking_nothing(port: int, task_id: str) -> AsyncIterator[None]:
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = tasks_pb2_grpc.TaskServiceStub(channel).WatchTask(tasks_pb2.WatchTaskRequest(task_id=task_id))
        try:
            await call.initial_metadata()
            yield
        finally:
            call.cancel()


async def _read_all(http: httpx2.AsyncClient, path: str) -> str:
    """Read a stream to its end; return its last 200 characters."""
    length, tail = 0, ""
    async with http.stream("GET", path) as response:
        assert response.status_code == 200
        async for text in response.aiter_text():
            length, tail = length + len(text), (tail + text)[-200:]
    assert length > _SIZE
    return tail


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_readers_that_take_nothing_are_cut_off_and_cost_others_nothing(
    tmp_path: Path, temporal_port: int
) -> None:
    settings = settings_for(tmp_path, temporal_port)
    (settings.app_dir / "tools").mkdir()
    (settings.app_dir / "tools" / "note.py").write_text(_NOTE)
    path = f"/api/v1/tasks/{await _large_task(settings, note)}/events"
    grpc_port = unused_port()
    environment = {"OPSPAWN_WRITE_TIMEOUT": "1", "OPSPAWN_RELAY_PORT": "0"}
    options = ("--port", "0", "--grpc-port", str(grpc_port))
    async with process(settings, *options, environment=environment) as api:
        url = await address_of(api)
        async with httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_S, trust_env=False) as http:
            for _ in range(2):
                assert '"output":"Done."' in await _read_all(http, path)
            files, before = _open_files(api.pid), _resident_bytes(api.pid)
            with _taking_nothing(int(url.rpartition(":")[2]), path) as readers:
                await eventually(lambda: _open_files(api.pid) >= files + len(readers))
                async with _grpc_call_taking_nothing(grpc_port, path.split("/")[4]):
                    ends = await asyncio.gather(*(_read_all(http, path) for _ in range(3)))
                    held = _resident_bytes(api.pid) - before
                await eventually(lambda: _open_files(api.pid) < files + 10)
    assert all('"output":"Done."' in end for end in ends)
    assert held < (_SLOW + 4) * _MAX_BYTES_EACH


def _open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
