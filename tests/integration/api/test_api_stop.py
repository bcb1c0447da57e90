"""Stopping tasks and reading transcripts over REST."""

from __future__ import annotations

import asyncio

import pytest

from agentkit.messages import ToolCall
from tests.integration.api.conftest import WITHIN, ApiHarness
from tests.integration.api.gated_model import GatedModel


async def test_terminating_needs_no_worker(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    response = await harness.http.post(f"/api/v1/tasks/{task_id}/terminate")
    task = await harness.task(task_id, wait=WITHIN)
    assert (response.status_code, response.json()["status"], task["status"]) == (202, "terminated", "terminated")
    assert task["error"] == {"type": "Terminated", "message": "Terminated through the API", "step": None}


@pytest.mark.parametrize("action", ["cancel", "terminate"])
async def test_an_ended_task_can_not_be_stopped(harness: ApiHarness, action: str) -> None:
    async with harness.worker(["done"]):
        task_id = await harness.submit()
        await harness.task(task_id, wait=WITHIN)
        response = await harness.http.post(f"/api/v1/tasks/{task_id}/{action}")
    assert response.status_code == 409
    assert response.json()["type"] == "urn:opspawn:problem:task-ended"
    assert "completed" in response.json()["detail"]


async def test_a_task_cancelled_without_a_worker_ends_when_one_comes(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    assert (await harness.http.post(f"/api/v1/tasks/{task_id}/cancel")).json()["status"] == "queued"
    async with harness.worker(["never sent"]):
        assert (await harness.task(task_id, wait=WITHIN))["status"] == "cancelled"


async def test_a_transcript_is_read_in_slices(harness: ApiHarness) -> None:
    async with harness.worker([ToolCall(id="1", name="nothing"), "done"]):
        task_id = await harness.submit(input="Go")
        await harness.task(task_id, wait=WITHIN)
        complete = await harness.get(f"/tasks/{task_id}/transcript")
        first = await harness.get(f"/tasks/{task_id}/transcript", limit=3)
        rest = await harness.get(f"/tasks/{task_id}/transcript", start=first["next_start"], limit=3)
        beyond = await harness.get(f"/tasks/{task_id}/transcript", start=99)
    assert [message["role"] for message in complete["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert first["messages"] + rest["messages"] == complete["messages"]
    assert (first["next_start"], rest["next_start"], complete["next_start"]) == (3, None, None)
    assert (beyond["messages"], beyond["total"], beyond["next_start"]) == ([], 4, None)


async def test_a_transcript_without_a_worker_is_refused_at_once(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    async with asyncio.timeout(5):
        response = await harness.http.get(f"/api/v1/tasks/{task_id}/transcript")
    assert response.status_code == 503
    assert harness.settings.task_queue in response.json()["detail"]
    assert "opspawn worker" in response.json()["detail"]


async def test_the_api_is_ready_when_a_worker_polls(harness: ApiHarness) -> None:
    response = await harness.http.get("/readyz")
    assert response.status_code == 503
    assert harness.settings.task_queue in response.json()["detail"]
    gate = GatedModel()
    async with harness.worker(gate):
        await harness.submit()
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
        assert (await harness.http.get("/readyz")).json() == {"status": "ok"}
        gate.released.set()
