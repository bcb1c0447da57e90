"""Showing tasks over REST, in every state they can be in."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from agentkit.errors import ModelRequestRejected
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall
from tests.integration.api.conftest import WITHIN, Front


@dataclass
class Gate:
    """A model that answers when it is told to."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: ModelRequest) -> str:
        self.asked.set()
        await self.opened.wait()
        return "open"


async def test_a_completed_task_has_output_usage_and_times(front: Front) -> None:
    call = ToolCall(id="1", name="nothing", arguments={})
    async with front.worker([call, "the answer"]):
        task = await front.task(await front.submit(), wait=WITHIN)
    assert (task["status"], task["output"], task["error"]) == ("completed", "the answer", None)
    assert task["steps"] == task["usage"]["model_calls"] == 2
    assert (task["usage"]["tokens"], task["usage"]["input_tokens"], task["usage"]["output_tokens"]) == (30, 20, 10)
    assert task["created_at"] <= task["started_at"] <= task["completed_at"]
    assert task["created_at"].endswith("Z")


async def test_a_running_task_says_what_it_does(front: Front) -> None:
    gate = Gate()
    async with front.worker(gate):
        task_id = await front.submit()
        await asyncio.wait_for(gate.asked.wait(), WITHIN)
        task = await front.task(task_id)
        gate.opened.set()
        await front.task(task_id, wait=WITHIN)
    assert (task["status"], task["steps"]) == ("running", 1)
    assert "demo" in task["doing"]
    assert task["completed_at"] is None


async def test_a_failed_task_tells_type_message_and_step(front: Front) -> None:
    async with front.worker([ModelRequestRejected("no such model", status=404)]):
        task = await front.task(await front.submit(), wait=WITHIN)
    assert task["status"] == "failed"
    assert task["error"]["type"] == "ModelRequestRejected"
    assert "no such model" in task["error"]["message"]
    assert task["error"]["step"] == task["steps"] == 1


async def test_a_task_over_its_deadline_has_timed_out(front: Front) -> None:
    async with front.worker(Gate()):
        task_id = await front.submit(limits={"deadline": "0.2s"}, tags=[front.settings.task_queue])
        task = await front.task(task_id, wait=WITHIN)
    assert (task["status"], task["error"]["type"]) == ("timed_out", "DeadlineExceeded")
    page = await front.seen(1, status="timed_out", tag=front.settings.task_queue)
    assert page["tasks"][0]["status"] == "timed_out"


async def test_a_cancelled_task_still_tells_what_it_spent(front: Front) -> None:
    gate = Gate()
    async with front.worker(gate):
        task_id = await front.submit()
        await asyncio.wait_for(gate.asked.wait(), WITHIN)
        assert (await front.http.post(f"/api/v1/tasks/{task_id}/cancel")).status_code == 202
        task = await front.task(task_id, wait=WITHIN)
    assert (task["status"], task["steps"], task["output"]) == ("cancelled", 1, None)
    assert task["completed_at"] is not None


async def test_without_a_worker_a_task_is_shown_quickly_with_its_status(front: Front) -> None:
    gate = Gate()
    queued = await front.submit()
    assert (await front.task(queued))["status"] == "queued"
    async with front.worker(gate):
        running = await front.submit(tags=["t"])
        await asyncio.wait_for(gate.asked.wait(), WITHIN)
    begun = time.monotonic()
    shown = [await front.task(running) for _ in range(5)]
    took = time.monotonic() - begun
    assert {task["status"] for task in shown} == {"running"}
    assert shown[0]["input"] == "Hello"
    assert shown[0]["tags"] == ["t"]
    assert took < 4, "each of them waited for a worker"


async def test_wait_returns_as_soon_as_the_task_ends(front: Front) -> None:
    gate = Gate()
    async with front.worker(gate):
        task_id = await front.submit()
        await asyncio.wait_for(gate.asked.wait(), WITHIN)
        waiting = asyncio.create_task(front.task(task_id, wait=60))
        gate.opened.set()
        task = await asyncio.wait_for(waiting, WITHIN)
    assert task["status"] == "completed"


async def test_wait_gives_up_after_its_seconds(front: Front) -> None:
    task_id = await front.submit()
    begun = time.monotonic()
    task = await front.task(task_id, wait=0.3)
    assert task["status"] == "queued"
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize(
    "task_id",
    ["nobody", "x" * 256, "é" * 200, "a%00b", "a%20b", "%F0%9F%99%82", "..%5C", "'; DROP TABLE"],
    ids=["unknown", "long", "long-utf8", "nul", "space", "emoji", "dots", "quote"],
)
@pytest.mark.parametrize("what", ["", "/transcript", "?wait=1"], ids=["show", "transcript", "wait"])
async def test_an_unknown_id_is_not_found(front: Front, task_id: str, what: str) -> None:
    response = await front.http.get(f"/api/v1/tasks/{task_id}{what}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "urn:opspawn:problem:task-not-found"


async def test_workflows_of_other_types_are_no_tasks(front: Front) -> None:
    other = await front.temporal.start_workflow("Other", id=front.settings.task_queue, task_queue="nobody")
    for method, path in [("GET", ""), ("GET", "/transcript"), ("POST", "/cancel"), ("POST", "/terminate")]:
        response = await front.http.request(method, f"/api/v1/tasks/{other.id}{path}")
        assert response.status_code == 404, (method, path)
    assert (await other.describe()).close_time is None


async def test_a_task_started_by_temporals_own_tools_is_shown(front: Front) -> None:
    agent = front.app.spec("assistant")
    argument = {
        "agent": agent.model_dump(mode="json"),
        "message": {"role": "user", "parts": [{"type": "text", "text": "Hi"}]},
    }
    handle = await front.temporal.start_workflow(
        "AgentTask", argument, id=f"by-hand-{front.settings.task_queue}", task_queue=front.settings.task_queue
    )
    task = await front.task(handle.id)
    assert (task["agent"], task["input"], task["tags"]) == ("assistant", "Hi", [])
