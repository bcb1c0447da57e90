"""Forks over REST: of running and ended tasks, of forks, with other agents, models and input."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from activities.payload_types import TranscriptSource
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall, user_message
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedResponse
from tests.integration.api.clerk import Payments, by_step, pay_call, payments_settings, problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually, serve_rest
from workflows.task_types import WORKFLOW_TYPE, TaskInput

ALLOWED: dict[str, Any] = {
    "name": "clerk",
    "model": "demo:demo",
    "instructions": "You are a clerk.",
    "tools": ["pay"],
    "policy": [{"tool": "pay", "then": "allow"}],
}


@pytest.fixture
async def payments(tmp_path: Path, temporal_port: int) -> AsyncIterator[Payments]:
    """An agent that pays, in an API of the test's own."""
    async with serve_rest(payments_settings(tmp_path, temporal_port)) as api:
        yield Payments(api)


async def fork(api: ApiHarness, task_id: str, from_step: int, *, key: str = "", **body: object) -> httpx2.Response:
    """Fork a task."""
    headers = {"Idempotency-Key": key} if key else {}
    return await api.http.post(f"/api/v1/tasks/{task_id}/fork", json={"from_step": from_step, **body}, headers=headers)


async def forked(api: ApiHarness, task_id: str, from_step: int, **body: Any) -> dict[str, Any]:
    """Fork a task; return the fork once it has ended."""
    response = await fork(api, task_id, from_step, **body)
    assert response.status_code == 201, response.text
    return await api.task(response.json()["id"], wait=WITHIN)


async def transcript(api: ApiHarness, task_id: str) -> list[dict[str, Any]]:
    """Read all messages of a task, page by page: the first page of a fork ends with its source's messages."""
    messages: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        page = await api.get(f"/tasks/{task_id}/transcript", start=start)
        messages += page["messages"]
        start = page["next_start"]
    return messages


async def paid_task(payments: Payments, **body: Any) -> str:
    """Run a task that pays once; return its id."""
    task_id = await payments.api.submit(agent=None, agent_spec=ALLOWED, input="Pay.", **body)
    assert (await payments.api.task(task_id, wait=WITHIN))["status"] == "completed"
    return task_id


async def test_a_fork_has_the_messages_up_to_its_step_and_then_its_own_input(payments: Payments) -> None:
    async with payments.worker(by_step(pay_call(), "Paid.", "Anything else?")):
        source = await paid_task(payments, tags=["forked"], metadata={"ticket": "1"}, user="ada")
        response = await fork(payments.api, source, 1, input="Now in euros.")
        task = await payments.api.task(response.json()["id"], wait=WITHIN)
        messages = await transcript(payments.api, task["id"])
        originals = await transcript(payments.api, source)
        listed = await payments.api.listed(2, tag="forked")
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/tasks/{task['id']}"
    assert response.json()["forked_from"] == task["forked_from"] == {"task_id": source, "step": 1}
    assert (task["title"], task["agent"], task["output"]) == ("Now in euros.", "clerk", "Paid.")
    assert (task["tags"], task["metadata"], task["user"]) == (["forked"], {"ticket": "1"}, "ada")
    assert messages[:3] == originals[:3]
    assert [part["text"] for part in messages[3]["parts"]][1:] == ["Now in euros."]
    assert {each["id"]: each["forked_from"] for each in listed["tasks"]} == {
        source: None,
        task["id"]: task["forked_from"],
    }
    assert payments.paid == [700]


async def test_a_fork_reads_which_calls_took_effect_after_its_step_and_which_may_have(payments: Payments) -> None:
    requests: list[ModelRequest] = []

    async def model(request: ModelRequest) -> ScriptedResponse:
        requests.append(request)
        return await by_step(ToolCall(id="0", name="nothing"), [pay_call(1, 100), pay_call(2, 200)], "Done.")(request)

    async with payments.worker(model):
        source = await paid_task(payments)
        count = len(requests)
        await forked(payments.api, source, 1)
        notice = requests[count].messages[-1].text
        await forked(payments.api, source, 2)
        from_end = requests[-1]
    assert f"goes on from task {source} after step 1" in notice
    assert '- pay {"cents": 100}: done. Result: paid 100' in notice
    assert '- pay {"cents": 200}: done. Result: paid 200' in notice
    assert "don't repeat" in notice
    assert "nothing" not in notice
    assert "don't repeat" not in from_end.messages[-1].text


async def test_a_waiting_task_can_be_forked_from_its_input(payments: Payments) -> None:
    async with payments.worker(by_step(pay_call(), "Paid.")):
        task = await payments.waiting()
        refused = await fork(payments.api, task["id"], 1)
        fork_id = (await fork(payments.api, task["id"], 0)).json()["id"]
        copy = await eventually(lambda: payments.api.task(fork_id), lambda task: task["status"] == "waiting")
        for each in (task, copy):
            assert (await payments.answer(each)).status_code == 200
            assert (await payments.api.task(each["id"], wait=WITHIN))["output"] == "Paid."
    assert problem_of(refused) == (422, "task-refused")
    assert "It can be forked after step 0" in refused.json()["detail"]
    assert copy["title"] == f"Fork of {task['id']} after step 0"
    assert payments.paid == [700, 700]


@pytest.mark.parametrize(
    ("body", "agent", "models"),
    [
        pytest.param({}, "clerk", ["demo:demo"], id="same"),
        pytest.param({"model": "demo:other"}, "clerk", ["demo:other"], id="model"),
        pytest.param({"agent": "assistant"}, "assistant", ["demo:demo"], id="agent"),
        pytest.param({"agent": "assistant", "model": "demo:x"}, "assistant", ["demo:x"], id="both"),
    ],
)
async def test_a_fork_may_have_another_agent_and_model(
    payments: Payments, body: dict[str, Any], agent: str, models: list[str]
) -> None:
    async with payments.worker(by_step(pay_call(), "Paid.")):
        source = await paid_task(payments)
        task = await forked(payments.api, source, 1, limits={"max_steps": 9}, **body)
        messages = await transcript(payments.api, task["id"])
    assert (task["agent"], task["output"], messages[-1]["model"]) == (agent, "Paid.", models[0])


@pytest.mark.parametrize(
    ("body", "kind", "pointer"),
    [
        ({"from_step": 7}, "task-refused", "#/from_step"),
        ({"from_step": -1}, "invalid", "#/from_step"),
        ({"from_step": 1, "agent": "nobody"}, "task-refused", "#/agent"),
        ({"from_step": 1, "model": "gpt"}, "task-refused", "#/model"),
        ({"from_step": 1, "limits": {"max_cost_usd": 1}, "model": "openai:unheard-of"}, "task-refused", "#/model"),
        ({"from_step": 1, "input": " "}, "invalid", "#/input"),
        ({"from_step": 1, "colour": "red"}, "invalid", "#/colour"),
        ({}, "invalid", "#/from_step"),
    ],
)
async def test_a_wrong_fork_is_refused_with_its_fields(
    payments: Payments, body: dict[str, Any], kind: str, pointer: str
) -> None:
    async with payments.worker(by_step(pay_call(), "Paid.")):
        source = await paid_task(payments)
        response = await payments.api.http.post(f"/api/v1/tasks/{source}/fork", json=body)
    assert problem_of(response) == (422, kind)
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_the_same_key_and_body_give_the_first_fork_again(payments: Payments) -> None:
    async with payments.worker(by_step(pay_call(), "Paid.")):
        source = await paid_task(payments)
        first = await fork(payments.api, source, 1, key="k1")
        await payments.api.task(first.json()["id"], wait=WITHIN)
        again = await fork(payments.api, source, 1, key="k1")
        other = await fork(payments.api, source, 0, key="k1")
    without_worker = await fork(payments.api, source, 1, key="k1")
    assert (first.status_code, again.status_code, without_worker.status_code) == (201, 200, 200)
    assert first.json()["id"] == again.json()["id"] == without_worker.json()["id"]
    assert problem_of(other) == (409, "idempotency-conflict")


async def test_a_fork_can_be_forked_but_not_before_its_first_step(payments: Payments) -> None:
    async with payments.worker(by_step(pay_call(), "Paid.")):
        source = await paid_task(payments)
        first = await forked(payments.api, source, 1, input="One.")
        second = await forked(payments.api, first["id"], 2, input="Two.")
        third = await forked(payments.api, second["id"], 2, input="Three.")
        refused = await fork(payments.api, second["id"], 1)
        texts = [
            part["text"]
            for message in await transcript(payments.api, third["id"])
            if message["role"] == "user"
            for part in message["parts"][-1:]
        ]
    assert second["forked_from"] == {"task_id": first["id"], "step": 2}
    assert texts == ["Pay.", "One.", "Two.", "Three."]
    assert problem_of(refused) == (422, "task-refused")
    assert f"Fork {first['id']} instead" in refused.json()["detail"]
    assert payments.paid == [700]


async def test_without_a_worker_a_task_can_not_be_forked_and_an_unknown_one_never(payments: Payments) -> None:
    task_id = await payments.api.submit()
    silent, unknown = await fork(payments.api, task_id, 0), await fork(payments.api, "task-4711", 0)
    assert problem_of(silent) == (503, "workers-silent")
    assert problem_of(unknown) == (404, "task-not-found")
    assert "retention" in unknown.json()["detail"]


async def test_a_fork_whose_source_is_gone_says_so(payments: Payments) -> None:
    """Temporal takes a minute to erase a task: a task that never was looks the same to a fork."""
    gone, temporal = "task-that-was-erased", payments.api.temporal
    fork_source = TranscriptSource(workflow_id=gone, end=3, digest="0" * 32)
    agent = AgentSpec(name="clerk", models=("demo:demo",), planner="tools")
    async with payments.worker(by_step("Paid.")):
        await temporal.start_workflow(
            WORKFLOW_TYPE,
            TaskInput(agent=agent, message=user_message("Go on."), source=fork_source, first_step=1),
            id=(task_id := f"fork-{uuid.uuid4().hex}"),
            task_queue=payments.api.settings.task_queue,
        )
        ended = await payments.api.task(task_id, wait=WITHIN)
        shared = await payments.api.http.get(f"/api/v1/tasks/{task_id}/transcript")
        own = await payments.api.get(f"/tasks/{task_id}/transcript", start=3)
        another = await fork(payments.api, gone, 1)
    assert (ended["status"], ended["error"]["type"]) == ("failed", "TranscriptSourceGone")
    assert problem_of(shared) == (503, "payload-unavailable")
    assert f"{gone!r}, whose messages this task goes on from, is gone" in shared.json()["detail"]
    assert own["messages"][0]["parts"][0]["text"] == "Go on."
    assert problem_of(another) == (404, "task-not-found")
