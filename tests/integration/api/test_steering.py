"""Steering tasks over REST: messages, pause and resume, limits; with a worker and without one."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall
from tests.integration.api.clerk import problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.gated_model import GatedModel

LIMITED = {"max_steps": 1, "on_exhausted": "ask"}


async def send(
    api: ApiHarness, task_id: str, text: str = "Use euros.", *, key: str = "", **body: Any
) -> httpx2.Response:
    """Send a message to a task."""
    headers = {"Idempotency-Key": key} if key else {}
    return await api.http.post(f"/api/v1/tasks/{task_id}/messages", json={"text": text, **body}, headers=headers)


async def steer(api: ApiHarness, task_id: str, action: str) -> httpx2.Response:
    """Pause or resume a task."""
    return await api.http.post(f"/api/v1/tasks/{task_id}/{action}")


async def raise_limits(api: ApiHarness, task_id: str, **limits: Any) -> httpx2.Response:
    """Raise limits of a task."""
    return await api.http.patch(f"/api/v1/tasks/{task_id}/limits", json=limits)


async def user_texts(api: ApiHarness, task_id: str) -> list[str]:
    """Return the user messages of a task's transcript."""
    messages = (await api.get(f"/tasks/{task_id}/transcript"))["messages"]
    return [message["parts"][0]["text"] for message in messages if message["role"] == "user"]


class TwoSteps:
    """A model whose first response, a tool call, waits until the test lets it; then it says how many messages it has
    read."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.released = asyncio.Event()

    async def __call__(self, request: ModelRequest) -> Any:
        """Respond."""
        if len(request.messages) == 1:
            self.requested.set()
            await self.released.wait()
            return ToolCall(id="1", name="nothing")
        return f"{sum(message.role == 'user' for message in request.messages)} messages"


async def test_messages_are_delivered_in_order_and_those_with_the_same_key_once(harness: ApiHarness) -> None:
    model = TwoSteps()
    async with harness.worker(model):
        task_id = await harness.submit(input="Go")
        await asyncio.wait_for(model.requested.wait(), WITHIN)
        responses = [
            await send(harness, task_id, "One.", key="k1", sent_by="ada"),
            await send(harness, task_id, "Two."),
            await send(harness, task_id, "One.", key="k1", sent_by="ada"),
            await send(harness, task_id, "Two."),
        ]
        model.released.set()
        ended = await harness.task(task_id, wait=WITHIN)
        texts = await user_texts(harness, task_id)
        again, late = await send(harness, task_id, "One.", key="k1"), await send(harness, task_id, "Three.")
    assert [response.status_code for response in responses] == [202] * 4
    assert responses[0].json()["id"] == task_id
    assert (texts, ended["output"]) == (["Go", "One.", "Two.", "Two."], "4 messages")
    assert (again.status_code, again.json()["status"]) == (202, "completed")
    assert problem_of(late) == (409, "task-ended")


async def test_an_interruption_ends_the_running_model_call(harness: ApiHarness) -> None:
    class Interrupted(GatedModel):
        async def __call__(self, request: ModelRequest) -> str:
            return await super().__call__(request) if len(request.messages) == 1 else "heard"

    model = Interrupted()
    async with harness.worker(model):
        task_id = await harness.submit(input="Go")
        await asyncio.wait_for(model.requested.wait(), WITHIN)
        assert (await send(harness, task_id, "Stop that.", mode="interrupt")).status_code == 202
        ended = await harness.task(task_id, wait=WITHIN)
        assert (ended["output"], await user_texts(harness, task_id)) == ("heard", ["Go", "Stop that."])


async def test_messages_without_a_worker_are_kept_and_delivered_once(harness: ApiHarness) -> None:
    task_id = await harness.submit(input="Go")
    for _ in range(2):
        assert (await send(harness, task_id, "One.", key="k1")).status_code == 202
    assert (await send(harness, task_id, "Two.")).json()["status"] == "queued"
    async with harness.worker(["done"]):
        await harness.task(task_id, wait=WITHIN)
        assert await user_texts(harness, task_id) == ["Go", "One.", "Two."]


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": " \n"},
        {"text": "x" * 100_001},
        {"text": 7},
        {"text": "x", "mode": "shout"},
        {"colour": 1},
    ],
    ids=["empty", "blank", "long", "number", "mode", "field"],
)
async def test_a_wrong_message_is_refused_with_its_fields(harness: ApiHarness, body: dict[str, Any]) -> None:
    task_id = await harness.submit()
    response = await send(harness, task_id, **body)
    assert problem_of(response) == (422, "invalid")
    assert response.json()["errors"][0]["pointer"]


async def test_more_messages_than_a_task_takes_are_refused(harness: ApiHarness) -> None:
    model = GatedModel()
    async with harness.worker(model):
        task_id = await harness.submit()
        await asyncio.wait_for(model.requested.wait(), WITHIN)
        for number in range(100):
            response = await send(harness, task_id, f"Message {number}.")
            assert response.status_code == 202
        refused = await send(harness, task_id, "Too many.")
        model.released.set()
        await harness.task(task_id, wait=WITHIN)
    assert problem_of(refused) == (422, "steering-refused")
    assert "100 messages" in refused.json()["detail"]


async def test_a_paused_task_finishes_what_is_in_flight_and_waits_until_it_is_resumed(harness: ApiHarness) -> None:
    model = TwoSteps()
    async with harness.worker(model):
        task_id = await harness.submit()
        await asyncio.wait_for(model.requested.wait(), WITHIN)
        paused = [await steer(harness, task_id, "pause") for _ in range(2)]
        model.released.set()
        still = await eventually(lambda: harness.task(task_id), lambda task: task["usage"]["model_calls"] == 1)
        assert (await send(harness, task_id)).json()["status"] == "paused"
        resumed = await steer(harness, task_id, "resume")
        ended = await harness.task(task_id, wait=WITHIN)
        late = await steer(harness, task_id, "pause"), await steer(harness, task_id, "resume")
    assert [(response.status_code, response.json()["status"]) for response in paused] == [(202, "paused")] * 2
    assert (still["status"], ended["output"]) == ("paused", "2 messages")
    assert resumed.status_code == 202
    assert [problem_of(response) for response in late] == [(409, "task-ended")] * 2


async def test_resuming_a_task_that_is_not_paused_changes_nothing(harness: ApiHarness) -> None:
    model = GatedModel()
    async with harness.worker(model):
        task_id = await harness.submit()
        await asyncio.wait_for(model.requested.wait(), WITHIN)
        resumed = [await steer(harness, task_id, "resume") for _ in range(2)]
        model.released.set()
        ended = await harness.task(task_id, wait=WITHIN)
    assert [(response.status_code, response.json()["status"]) for response in resumed] == [(202, "running")] * 2
    assert ended["output"] == "open"


async def test_a_task_paused_without_a_worker_is_paused_when_one_comes(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    assert (await steer(harness, task_id, "pause")).status_code == 202
    async with harness.worker(["done"]):
        await eventually(lambda: harness.task(task_id), lambda task: task["status"] == "paused")
        await steer(harness, task_id, "resume")
        assert (await harness.task(task_id, wait=WITHIN))["output"] == "done"


async def test_a_task_that_waits_at_a_limit_goes_on_when_it_is_raised(harness: ApiHarness) -> None:
    async with harness.worker([ToolCall(id="1", name="nothing"), "done"]):
        task_id = await harness.submit(limits=LIMITED)
        task = await eventually(lambda: harness.task(task_id), lambda task: bool(task["input_requests"]))
        lower = await raise_limits(harness, task_id, max_tokens=1)
        raised = await raise_limits(harness, task_id, max_steps=5)
        ended = await harness.task(task_id, wait=WITHIN)
        late = await raise_limits(harness, task_id, max_steps=6)
    assert [request["kind"] for request in task["input_requests"]] == ["limit"]
    assert problem_of(lower) == (422, "steering-refused")
    assert (raised.status_code, raised.json()["id"]) == (200, task_id)
    assert ended["output"] == "done"
    assert problem_of(late) == (409, "task-ended")


async def test_a_limit_is_raised_by_an_answer_too(harness: ApiHarness) -> None:
    async with harness.worker([ToolCall(id="1", name="nothing"), "done"]):
        task_id = await harness.submit(limits=LIMITED)
        await eventually(lambda: harness.task(task_id), lambda task: task["status"] == "waiting")
        response = await harness.http.post(
            f"/api/v1/tasks/{task_id}/input-requests/input_1", json={"decision": "raise", "limits": {"max_steps": 5}}
        )
        ended = await harness.task(task_id, wait=WITHIN)
    assert (response.status_code, ended["output"]) == (200, "done")


async def test_limits_raised_without_a_worker_are_kept(harness: ApiHarness) -> None:
    task_id = await harness.submit(limits={"max_steps": 1})
    assert (await raise_limits(harness, task_id, max_steps=5)).status_code == 202
    async with harness.worker([ToolCall(id="1", name="nothing"), "done"]):
        assert (await harness.task(task_id, wait=WITHIN))["output"] == "done"


@pytest.mark.parametrize(
    "body", [{}, {"max_steps": 0}, {"max_steps": True}, {"max_stepz": 5}, {"on_exhausted": "fail"}]
)
async def test_wrong_limits_are_refused_with_their_fields(harness: ApiHarness, body: dict[str, Any]) -> None:
    task_id = await harness.submit()
    assert problem_of(await raise_limits(harness, task_id, **body)) == (422, "invalid")


async def test_an_unknown_task_can_not_be_steered(harness: ApiHarness) -> None:
    responses = [
        await send(harness, "task-4711"),
        await steer(harness, "task-4711", "pause"),
        await steer(harness, "task-4711", "resume"),
        await raise_limits(harness, "task-4711", max_steps=9),
    ]
    assert [problem_of(response) for response in responses] == [(404, "task-not-found")] * 4
