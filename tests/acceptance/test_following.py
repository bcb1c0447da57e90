"""``opspawn follow`` and the Python client survive an API that is killed while they watch."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from agentkit.client import (
    ConnectionLost,
    ConnectionRestored,
    ModelCompleted,
    OpspawnClient,
    StreamedResponse,
    TaskEvent,
    TaskUpdate,
)
from tests.acceptance.conftest import Stack
from tests.acceptance.test_survival import SUM, gate

pytestmark = pytest.mark.acceptance

OPSPAWN = [sys.executable, "-c", "from cli.main import main; main()"]


def url_of(stack: Stack) -> str:
    return f"http://127.0.0.1:{stack.api_port}"


async def follow(stack: Stack, task_id: str, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(*OPSPAWN, "follow", task_id, "--url", url_of(stack), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def read_line(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    return (await asyncio.wait_for(stream.readline(), 30)).decode()


async def test_following_continues_after_the_api_was_away(stack: Stack, tmp_path: Path) -> None:
    task_id = await stack.submit(f"{SUM}\n{gate(tmp_path)}\n{SUM}\nsay through")
    plain, lines = await follow(stack, task_id), await follow(stack, task_id, "--json")
    await stack.wait_for_activity(task_id, "tool.gate")
    shown = [await read_line(plain.stdout) for _ in range(3)]
    first_json = [await read_line(lines.stdout)]
    stack.kill("api")
    (tmp_path / "open").touch()
    lost = [await read_line(process.stderr) for process in (plain, lines)]
    await (await stack.temporal()).get_workflow_handle(task_id).result()
    stack.start_api()
    (rest, notices), (more_json, _) = await asyncio.wait_for(
        asyncio.gather(plain.communicate(), lines.communicate()), 60
    )

    async with OpspawnClient(url_of(stack)) as client:
        positions = [event.position async for event in client.events(task_id)]
    events = [json.loads(line) for line in ("".join(first_json) + more_json.decode()).splitlines()]
    assert [event["id"] for event in events if "id" in event] == positions
    text = "".join(shown) + rest.decode()
    assert [text.count(f"step {number} ") for number in (1, 2, 3, 4, 5)] == [1, 1, 1, 1, 0]
    assert text.endswith("through\n")
    assert all("Connection lost, retrying. The task goes on meanwhile." in line for line in lost)
    assert notices.decode().startswith("Connected again after ")
    assert (plain.returncode, lines.returncode) == (0, 0)


async def test_a_streamed_response_is_complete_after_the_api_was_killed(stack: Stack) -> None:
    response = StreamedResponse()
    updates: list[TaskUpdate] = []
    streamed = ""
    async with OpspawnClient(url_of(stack)) as client:
        task = await client.create("porter", "think 20000\nsay thought through")
        async for update in client.watch(task.id):
            if isinstance(update, ModelCompleted):
                streamed = response.thinking
            response.apply(update)
            updates.append(update)
            if response.thinking.count(" ") > 50 and not any(isinstance(each, ConnectionLost) for each in updates):
                stack.kill("api")
            if isinstance(update, ConnectionLost):
                stack.start_api()
        positions = [event.position async for event in client.events(task.id)]
    breaks = [type(each) for each in updates if isinstance(each, ConnectionLost | ConnectionRestored)]
    assert breaks == [ConnectionLost, ConnectionRestored]
    durable = [each for each in updates if isinstance(each, TaskEvent) and each.position is not None]
    assert [event.position for event in durable] == positions
    assert streamed == response.thinking
    assert response.text == "thought through"
