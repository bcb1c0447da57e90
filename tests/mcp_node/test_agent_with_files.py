"""An app of ``opspawn init`` with two real servers: an agent lists a directory, asks a person, and writes once."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Stack, eventually
from tests.mcp_node.node_packages import NODE
from tests.mcp_node.npm_servers import script
from tests.process_states import children_of, still_running
from tests.reserved_ports import reserve_port

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]

AGENT = """
name: clerk
model: demo:demo
tools: ["mcp:files/*", "mcp:time/convert_time"]
policy:
  - {tool: "mcp:files/write_*", then: ask, approvers: [ada]}
"""


def write_app(directory: Path, files: Path) -> None:
    """Write an app by ``opspawn init``, with two servers and an agent that uses them."""
    servers = {
        "time": {"command": sys.executable, "args": ["-m", "mcp_server_time"]},
        "files": {
            "command": str(NODE),
            "args": [script("filesystem"), str(files)],
            "opspawn": {"effects": {"write_file": "irreversible"}},
        },
    }
    (directory / "agents" / "clerk.yaml").write_text(AGENT)
    (directory / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    files.mkdir()
    (files / "notes.txt").write_text("Buy milk.")


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A system of its own whose app was made by ``opspawn init``."""
    stack = Stack(tmp_path, reserve_port(), f"files-{uuid.uuid4().hex[:8]}")
    command = (sys.executable, "-m", "opspawn", "init", str(stack.app_dir))
    made = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await asyncio.wait_for(made.wait(), 60) == 0
    write_app(stack.app_dir, tmp_path / "files")
    async with stack.running():
        yield stack


async def task_of(stack: Stack, task_id: str) -> dict[str, Any]:
    async with stack.client() as client:
        task: dict[str, Any] = (await client.get(f"/api/v1/tasks/{task_id}")).json()
    return task


def names_in(directory: Path) -> list[str]:
    """Return the names of the files in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir())


def servers_of(worker: int) -> list[int]:
    """Return the processes that a worker has started, and those that they have."""
    children = children_of(worker)
    return [*children, *(pid for child in children for pid in servers_of(child))]


async def test_an_agent_lists_a_directory_and_writes_once_though_worker_and_server_are_killed(stack: Stack) -> None:
    files = stack.directory / "files"
    listing = json.dumps({"path": str(files)})
    letter = json.dumps({"path": str(files / "letter.txt"), "content": "Dear Ada"})
    lines = [f"call files__list_directory {listing}", f"call files__write_file {letter}", "say Written."]
    task_id = await stack.submit("\n".join(lines), agent="clerk")

    async def asks() -> bool:
        return bool((await task_of(stack, task_id))["input_requests"])

    await eventually(asks, "it asks for approval", timeout_s=60)
    assert names_in(files) == ["notes.txt"]
    started = servers_of(stack.pid("worker"))
    stack.kill("worker")

    async def have_ended() -> bool:
        return not still_running(started)

    await eventually(have_ended, "the processes of the worker have ended", timeout_s=15)
    async with stack.client() as client:
        answer = {"decision": "approve", "answered_by": "ada"}
        answered = await client.post(f"/api/v1/tasks/{task_id}/input-requests/input_1", json=answer)
    assert answered.status_code == 202, answered.text
    stack.start_worker()

    task = await stack.wait_for_end(task_id)
    assert task["output"] == "Written."
    assert names_in(files) == ["letter.txt", "notes.txt"]
    async with stack.client() as client:
        calls = (await client.get(f"/api/v1/tasks/{task_id}/tool-calls")).json()["tool_calls"]
        transcript = (await client.get(f"/api/v1/tasks/{task_id}/transcript")).text
    assert [(call["tool"], call["effect"], call["state"], call["attempts"]) for call in calls] == [
        ("files__list_directory", "pure", "done", 1),
        ("files__write_file", "irreversible", "done", 1),
    ]
    assert "notes.txt" in transcript
