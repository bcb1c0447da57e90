"""A tool's result of 40 MB, its worker killed before the result was stored, and reads of it by all interfaces."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Stack, eventually

pytestmark = pytest.mark.acceptance

SIZE = 40_000_000
DUMP_TOOLS = '''
"""Tools with large results. The worker can be stopped at the moment when one has ended."""

import os
import signal
from pathlib import Path

from agentkit.tools import tool


def rows() -> str:
    return "".join(f"row {number:015d}\\n" for number in range(2_000_000))


def dump_and_stop(directory: str, worker: int) -> str:
    calls = Path(directory, "calls")
    calls.open("a").write("x")
    if calls.stat().st_size == 1:
        os.kill(worker, signal.SIGSTOP)
        Path(directory, "stopped").touch()
    return rows()


@tool(effect="pure")
def dump() -> str:
    """Return 2 million rows."""
    return rows()


@tool(effect="idempotent")
def save(directory: str, worker: int) -> str:
    """Save, and return what was saved; the first call stops the worker."""
    return dump_and_stop(directory, worker)


@tool(effect="irreversible", approval="never")
def send(directory: str, worker: int) -> str:
    """Send, and return what was sent; the first call stops the worker."""
    return dump_and_stop(directory, worker)
'''


@pytest.fixture
def app_files() -> dict[str, str]:
    return {
        "tools/dump.py": DUMP_TOOLS,
        "agents/clerk.yaml": "model: demo:demo\ntools: [dump, save, send, read_result]",
    }


async def results_of(stack: Stack, task_id: str) -> list[dict[str, Any]]:
    messages = await stack.transcript(task_id)
    return [part for message in messages if message["role"] == "tool" for part in message["parts"]]


async def test_a_result_of_40_mb_is_read_in_ranges_by_the_model_rest_and_the_command_line(stack: Stack) -> None:
    calls = [
        "call dump {}",
        'call read_result {"call_id": "call_1_1", "start": 20000000, "end": 20000020}',
        'call read_result {"call_id": "call_1_1", "search": "row 000000001234567"}',
        "say done",
    ]
    task = await stack.wait_for_end(await stack.submit("\n".join(calls), agent="clerk"))
    assert (task["status"], task["output"]) == ("completed", "done")
    whole, part, place = await results_of(stack, task["id"])
    assert whole["whole"] == {"media_type": "text/plain", "size": SIZE, "name": None}
    assert part["content"].endswith("\n\nrow 000000001000000\n")
    assert f"At {1_234_567 * 20}: " in place["content"]

    path = f"/api/v1/tasks/{task['id']}/tool-calls/call_1_1/result"
    async with stack.client() as client:
        response = await client.get(path)
        tail = await client.get(path, params={"start": SIZE - 20})
    assert len(response.content) == SIZE
    assert tail.content == response.content[-20:] == b"row 000000001999999\n"

    opspawn = Path(sys.executable).parent / "opspawn"
    arguments = ("show", task["id"], "--result", "call_1_1", "--url", f"http://127.0.0.1:{stack.api_port}")
    command = await asyncio.create_subprocess_exec(opspawn, *arguments, stdout=asyncio.subprocess.PIPE)
    written, _ = await asyncio.wait_for(command.communicate(), 60)
    assert (command.returncode, written == response.content) == (0, True)


async def killed_after_the_tool(stack: Stack, directory: Path, name: str) -> dict[str, Any]:
    """Run a call whose worker is killed when the tool has ended, and its result isn't stored; return the result."""
    arguments = json.dumps({"directory": str(directory), "worker": stack.pid("worker")})
    task_id = await stack.submit(f"call {name} {arguments}\nsay done", agent="clerk")

    async def stopped() -> bool:
        return (directory / "stopped").exists()

    await eventually(stopped, "the tool has ended", timeout_s=60)
    stack.kill("worker")
    stack.start_worker("second")
    if name == "send":
        await stack.answer(task_id, "give_up")
    task = await stack.wait_for_end(task_id)
    assert (task["status"], task["output"]) == ("completed", "done")
    (result,) = await results_of(stack, task_id)
    return result


async def test_an_idempotent_call_whose_result_was_not_stored_is_made_again(stack: Stack, tmp_path: Path) -> None:
    result = await killed_after_the_tool(stack, tmp_path, "save")
    assert (tmp_path / "calls").read_text() == "xx"
    assert (result["is_error"], result["whole"]["size"]) == (False, SIZE)


async def test_the_outcome_of_an_irreversible_call_whose_result_was_not_stored_is_unknown(
    stack: Stack, tmp_path: Path
) -> None:
    result = await killed_after_the_tool(stack, tmp_path, "send")
    assert (tmp_path / "calls").read_text() == "x", "it is not made again"
    assert result["is_error"]
    assert "UNKNOWN" in result["content"]
