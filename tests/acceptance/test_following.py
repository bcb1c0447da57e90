"""``opspawn follow`` and the client, while the API is killed and stays away until the task has ended."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from agentkit.client import Lost, ModelCompleted, OpspawnClient, Regained, StreamedAnswer, TaskEvent, Update
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


async def line_of(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    return (await asyncio.wait_for(stream.readline(), 30)).decode()


async def test_following_goes_on_after_an_api_was_away(stack: Stack, tmp_path: Path) -> None:
    task_id = await stack.submit(f"{SUM}\n{gate(tmp_path)}\n{SUM}\nsay through")
    plain, lines = await follow(stack, task_id), await follow(stack, task_id, "--json")
    await stack.runs_activity(task_id, "tool.gate")
    shown = [await line_of(plain.stdout) for _ in range(3)]
    told = [await line_of(lines.stdout)]
    stack.kill("api")
    (tmp_path / "open").touch()
    lost = [await line_of(one.stderr) for one in (plain, lines)]
    await (await stack.temporal()).get_workflow_handle(task_id).result()
    stack.start_api()
    (rest, notes), (more, _) = await asyncio.wait_for(asyncio.gather(plain.communicate(), lines.communicate()), 60)

    async with OpspawnClient(url_of(stack)) as client:
        whole = [event.position async for event in client.events(task_id)]
    events = [json.loads(line) for line in ("".join(told) + more.decode()).splitlines()]
    assert [event["id"] for event in events if "id" in event] == whole
    text = "".join(shown) + rest.decode()
    assert [text.count(f"step {number} ") for number in (1, 2, 3, 4, 5)] == [1, 1, 1, 1, 0]
    assert text.endswith("through\n")
    assert all("Connection lost, retrying. The task goes on meanwhile." in line for line in lost)
    assert notes.decode().startswith("Connected again after ")
    assert (plain.returncode, lines.returncode) == (0, 0)


async def test_an_answer_pieced_together_over_a_killed_api_is_the_answer(stack: Stack) -> None:
    answer = StreamedAnswer()
    seen: list[Update] = []
    pieced = ""
    async with OpspawnClient(url_of(stack)) as client:
        task = await client.create("porter", "think 8000\nsay thought through")
        async for update in client.watch(task.id):
            if isinstance(update, ModelCompleted):
                pieced = answer.thinking
            answer.take(update)
            seen.append(update)
            if answer.thinking.count(" ") > 50 and not any(isinstance(one, Lost) for one in seen):
                stack.kill("api")
            if isinstance(update, Lost):
                stack.start_api()
        whole = [event.position async for event in client.events(task.id)]
    assert [type(one) for one in seen if isinstance(one, Lost | Regained)] == [Lost, Regained]
    assert [one.position for one in seen if isinstance(one, TaskEvent) and one.position is not None] == whole
    assert pieced == answer.thinking
    assert answer.text == "thought through"
