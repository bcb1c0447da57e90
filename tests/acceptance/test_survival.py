"""Tasks survive the end of every process, and have the same outcome as without it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Stack, eventually

pytestmark = pytest.mark.acceptance

SUM = 'call calculator {"expression": "6*7"}'


def gate(directory: Path) -> str:
    return f'call gate {{"directory": "{directory}"}}'


async def run_undisturbed(stack: Stack, text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run a task while nothing is killed; return it and its transcript."""
    task_id = await stack.submit(text)
    return await stack.wait_for_end(task_id), await stack.transcript(task_id)


def outcome(task: dict[str, Any]) -> dict[str, Any]:
    return {key: task[key] for key in ("status", "output", "steps", "usage")}


async def test_a_worker_killed_during_a_model_request_changes_no_outcome(stack: Stack) -> None:
    text = f"{SUM}\nthink 3000\nsay forty-two"
    expected_task, expected_transcript = await run_undisturbed(stack, text)
    task_id = await stack.submit(text)
    await stack.wait_for_activity(task_id, "request_model")
    stack.kill("worker")
    stack.start_worker("second")
    assert outcome(await stack.wait_for_end(task_id)) == outcome(expected_task)
    assert await stack.transcript(task_id) == expected_transcript
    assert expected_task["output"] == "forty-two"


async def test_a_worker_killed_during_a_tool_call_changes_no_outcome(stack: Stack, tmp_path: Path) -> None:
    text = f'{SUM}\n{gate(tmp_path)} & calculator {{"expression": "1+1"}}\nsay through'
    task_id = await stack.submit(text)
    await stack.wait_for_activity(task_id, "tool.gate")
    stack.kill("worker")
    (tmp_path / "open").touch()
    stack.start_worker("second")
    task = await stack.wait_for_end(task_id)
    expected_task, expected_transcript = await run_undisturbed(stack, text)
    assert outcome(task) == outcome(expected_task)
    assert await stack.transcript(task_id) == expected_transcript
    assert (tmp_path / "attempt-2").exists()


async def test_a_killed_temporal_changes_no_outcome(own_temporal_stack: Stack, tmp_path: Path) -> None:
    stack = own_temporal_stack
    text = f"{SUM}\n{gate(tmp_path)}\nsay through"
    task_id = await stack.submit(text)
    await stack.wait_for_activity(task_id, "tool.gate")
    stack.kill("temporal")
    (tmp_path / "open").touch()
    stack.start_temporal()
    await stack.wait_until_ready()
    task = await stack.wait_for_end(task_id)
    expected_task, expected_transcript = await run_undisturbed(stack, text)
    assert outcome(task) == outcome(expected_task)
    assert await stack.transcript(task_id) == expected_transcript


async def test_a_killed_api_changes_no_outcome(stack: Stack, tmp_path: Path) -> None:
    task_id = await stack.submit(f"{gate(tmp_path)}\nsay through")
    await stack.wait_for_activity(task_id, "tool.gate")
    waiting = asyncio.create_task(stack.wait_for_end(task_id))
    stack.kill("api")
    (tmp_path / "open").touch()
    stack.start_api()
    task = await waiting
    assert (task["status"], task["output"]) == ("completed", "through")


async def test_a_task_without_a_worker_is_listed_and_shown(stack: Stack, tmp_path: Path) -> None:
    task_id = await stack.submit(f"{gate(tmp_path)}\nsay through")
    await stack.wait_for_activity(task_id, "tool.gate")
    stack.kill("worker")
    async with stack.client() as client:
        shown = (await client.get(f"/api/v1/tasks/{task_id}")).json()
        listed = (await client.get("/api/v1/tasks", params={"agent": "porter", "limit": 200})).json()["tasks"]
        transcript = await client.get(f"/api/v1/tasks/{task_id}/transcript")
    assert shown["status"] == "running"
    assert shown["input"].startswith("call gate")
    assert {task["id"]: task["status"] for task in listed}[task_id] == "running"
    assert transcript.status_code == 503
    assert "worker" in transcript.json()["detail"]


async def test_a_stopped_worker_leaves_its_task_to_the_next_one(stack: Stack, tmp_path: Path) -> None:
    task_id = await stack.submit(f"{gate(tmp_path)}\nsay through")
    await stack.wait_for_activity(task_id, "tool.gate")
    assert stack.terminate("worker") == 0
    (tmp_path / "open").touch()
    stack.start_worker("second")
    task = await stack.wait_for_end(task_id)
    assert (task["status"], task["output"]) == ("completed", "through")
    assert "Traceback" not in stack.log("worker")


async def test_a_stopped_worker_finishes_the_call_that_runs(stack: Stack, tmp_path: Path) -> None:
    task_id = await stack.submit(f"{gate(tmp_path)}\nsay through")
    await stack.wait_for_activity(task_id, "tool.gate")
    stopping = asyncio.create_task(asyncio.to_thread(stack.terminate, "worker"))
    await eventually(lambda: asyncio.to_thread(lambda: "Stopping:" in stack.log("worker")), "the worker stops")
    (tmp_path / "open").touch()
    assert await stopping == 0
    stack.start_worker("second")
    task = await stack.wait_for_end(task_id)
    assert (task["status"], task["output"]) == ("completed", "through")
    assert not (tmp_path / "attempt-2").exists()
