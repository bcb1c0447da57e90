"""Showing tasks over REST, in every status."""

from __future__ import annotations

import asyncio
import time

import pytest

from agentkit.errors import ModelRequestRejected
from agentkit.messages import ToolCall
from tests.integration.api.conftest import WITHIN, ApiHarness
from tests.integration.api.gated_model import GatedModel


async def test_a_completed_task_has_output_usage_and_times(harness: ApiHarness) -> None:
    call = ToolCall(id="1", name="nothing", arguments={})
    async with harness.worker([call, "the answer"]):
        task = await harness.task(await harness.submit(), wait=WITHIN)
    assert (task["status"], task["output"], task["error"]) == ("completed", "the answer", None)
    assert task["steps"] == task["usage"]["model_calls"] == 2
    assert (task["usage"]["tokens"], task["usage"]["input_tokens"], task["usage"]["output_tokens"]) == (30, 20, 10)
    assert task["created_at"] <= task["started_at"] <= task["completed_at"]
    assert task["created_at"].endswith("Z")


async def test_a_running_task_shows_its_current_activity(harness: ApiHarness) -> None:
    gate = GatedModel()
    async with harness.worker(gate):
        task_id = await harness.submit()
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
        task = await harness.task(task_id)
        gate.released.set()
        await harness.task(task_id, wait=WITHIN)
    assert (task["status"], task["steps"]) == ("running", 1)
    assert "demo" in task["doing"]
    assert task["completed_at"] is None


async def test_a_failed_task_has_an_error_with_its_step(harness: ApiHarness) -> None:
    async with harness.worker([ModelRequestRejected("no such model", status=404)]):
        task = await harness.task(await harness.submit(), wait=WITHIN)
    assert task["status"] == "failed"
    assert task["error"]["type"] == "ModelRequestRejected"
    assert "no such model" in task["error"]["message"]
    assert task["error"]["step"] == task["steps"] == 1


async def test_a_task_over_its_deadline_has_timed_out(harness: ApiHarness) -> None:
    async with harness.worker(GatedModel()):
        task_id = await harness.submit(limits={"deadline": "0.2s"}, tags=[harness.settings.task_queue])
        task = await harness.task(task_id, wait=WITHIN)
    assert (task["status"], task["error"]["type"]) == ("timed_out", "DeadlineExceeded")
    page = await harness.listed(1, status="timed_out", tag=harness.settings.task_queue)
    assert page["tasks"][0]["status"] == "timed_out"


async def test_a_cancelled_task_still_has_its_steps(harness: ApiHarness) -> None:
    gate = GatedModel()
    async with harness.worker(gate):
        task_id = await harness.submit()
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
        assert (await harness.http.post(f"/api/v1/tasks/{task_id}/cancel")).status_code == 202
        task = await harness.task(task_id, wait=WITHIN)
    assert (task["status"], task["steps"], task["output"]) == ("cancelled", 1, None)
    assert task["completed_at"] is not None


async def test_without_a_worker_a_task_is_shown_quickly_with_its_status(harness: ApiHarness) -> None:
    gate = GatedModel()
    queued = await harness.submit()
    assert (await harness.task(queued))["status"] == "queued"
    async with harness.worker(gate):
        running = await harness.submit(tags=["t"])
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
    started = time.monotonic()
    shown = [await harness.task(running) for _ in range(5)]
    elapsed = time.monotonic() - started
    assert {task["status"] for task in shown} == {"running"}
    assert shown[0]["input"] == "Hello"
    assert shown[0]["tags"] == ["t"]
    assert elapsed < 4, "each request waited for a worker"


async def test_wait_returns_as_soon_as_the_task_ends(harness: ApiHarness) -> None:
    gate = GatedModel()
    async with harness.worker(gate):
        task_id = await harness.submit()
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
        waiting = asyncio.create_task(harness.task(task_id, wait=60))
        gate.released.set()
        task = await asyncio.wait_for(waiting, WITHIN)
    assert task["status"] == "completed"


async def test_wait_gives_up_after_its_seconds(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    started = time.monotonic()
    task = await harness.task(task_id, wait=0.3)
    assert task["status"] == "queued"
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    "task_id",
    ["nobody", "x" * 256, "é" * 200, "a%00b", "a%20b", "%F0%9F%99%82", "..%5C", "'; DROP TABLE"],
    ids=["unknown", "long", "long-utf8", "nul", "space", "emoji", "dots", "quote"],
)
@pytest.mark.parametrize("suffix", ["", "/transcript", "?wait=1"], ids=["show", "transcript", "wait"])
async def test_an_unknown_id_is_not_found(harness: ApiHarness, task_id: str, suffix: str) -> None:
    response = await harness.http.get(f"/api/v1/tasks/{task_id}{suffix}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "urn:opspawn:problem:task-not-found"


async def test_workflows_of_other_types_are_not_tasks(harness: ApiHarness) -> None:
    other = await harness.temporal.start_workflow("Other", id=harness.settings.task_queue, task_queue="nobody")
    for method, path in [("GET", ""), ("GET", "/transcript"), ("POST", "/cancel"), ("POST", "/terminate")]:
        response = await harness.http.request(method, f"/api/v1/tasks/{other.id}{path}")
        assert response.status_code == 404, (method, path)
    assert (await other.describe()).close_time is None


async def test_a_task_started_by_temporals_own_tools_is_shown(harness: ApiHarness) -> None:
    agent = harness.catalog.spec("assistant")
    argument = {
        "agent": agent.model_dump(mode="json"),
        "message": {"role": "user", "parts": [{"type": "text", "text": "Hi"}]},
    }
    handle = await harness.temporal.start_workflow(
        "AgentTask", argument, id=f"by-hand-{harness.settings.task_queue}", task_queue=harness.settings.task_queue
    )
    task = await harness.task(handle.id)
    assert (task["agent"], task["input"], task["tags"]) == ("assistant", "Hi", [])
