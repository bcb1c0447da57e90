"""Stopping tasks and reading transcripts over REST."""

from __future__ import annotations

import asyncio

import pytest

from agentkit.messages import ToolCall
from tests.integration.api.conftest import WITHIN, Front
from tests.integration.api.test_api_show import Gate


async def test_terminating_needs_no_worker(front: Front) -> None:
    task_id = await front.submit()
    response = await front.http.post(f"/api/v1/tasks/{task_id}/terminate")
    task = await front.task(task_id, wait=WITHIN)
    assert (response.status_code, response.json()["status"], task["status"]) == (202, "terminated", "terminated")
    assert task["error"] == {"type": "Terminated", "message": "Terminated through the API", "step": None}


@pytest.mark.parametrize("what", ["cancel", "terminate"])
async def test_what_has_ended_can_not_be_stopped(front: Front, what: str) -> None:
    async with front.worker(["done"]):
        task_id = await front.submit()
        await front.task(task_id, wait=WITHIN)
        response = await front.http.post(f"/api/v1/tasks/{task_id}/{what}")
    assert response.status_code == 409
    assert response.json()["type"] == "urn:opspawn:problem:task-ended"
    assert "completed" in response.json()["detail"]


async def test_a_task_cancelled_without_a_worker_ends_when_one_comes(front: Front) -> None:
    task_id = await front.submit()
    assert (await front.http.post(f"/api/v1/tasks/{task_id}/cancel")).json()["status"] == "queued"
    async with front.worker(["never said"]):
        assert (await front.task(task_id, wait=WITHIN))["status"] == "cancelled"


async def test_a_transcript_is_read_in_parts(front: Front) -> None:
    async with front.worker([ToolCall(id="1", name="nothing"), "done"]):
        task_id = await front.submit(input="Go")
        await front.task(task_id, wait=WITHIN)
        whole = await front.get(f"/tasks/{task_id}/transcript")
        first = await front.get(f"/tasks/{task_id}/transcript", limit=3)
        rest = await front.get(f"/tasks/{task_id}/transcript", start=first["next_start"], limit=3)
        beyond = await front.get(f"/tasks/{task_id}/transcript", start=99)
    assert [message["role"] for message in whole["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert first["messages"] + rest["messages"] == whole["messages"]
    assert (first["next_start"], rest["next_start"], whole["next_start"]) == (3, None, None)
    assert (beyond["messages"], beyond["total"], beyond["next_start"]) == ([], 4, None)


async def test_a_transcript_without_a_worker_says_so_at_once(front: Front) -> None:
    task_id = await front.submit()
    async with asyncio.timeout(5):
        response = await front.http.get(f"/api/v1/tasks/{task_id}/transcript")
    assert response.status_code == 503
    assert front.settings.task_queue in response.json()["detail"]
    assert "opspawn dev" in response.json()["detail"]


async def test_ready_is_said_when_a_worker_polls(front: Front) -> None:
    response = await front.http.get("/readyz")
    assert response.status_code == 503
    assert front.settings.task_queue in response.json()["detail"]
    gate = Gate()
    async with front.worker(gate):
        await front.submit()
        await asyncio.wait_for(gate.asked.wait(), WITHIN)
        assert (await front.http.get("/readyz")).json() == {"status": "ok"}
        gate.opened.set()
