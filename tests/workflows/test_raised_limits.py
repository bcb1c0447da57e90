"""Tasks that ask a person at a limit, and limits that people raise."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from tests.workflows.answering import pending_requests
from tests.workflows.conftest import TaskEnvironment
from tests.workflows.steering_calls import answer_now, refusal_of
from workflows.task_types import LimitsVerdict


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


def steps(count: int) -> ScriptedModel:
    """Return a model that calls a tool in so many steps, then finishes."""

    async def respond(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        call = ToolCall(id=f"c{step}", name="double", arguments={"number": step})
        return "Done." if step == count else Message(role="assistant", parts=(call,))

    return ScriptedModel(respond)


@pytest.mark.parametrize(
    ("limits", "too_little", "enough"),
    [
        ({"max_steps": 2}, {"max_steps": 2}, {"max_steps": 10}),
        ({"max_tokens": 30}, {"max_tokens": 30}, {"max_tokens": 1000}),
    ],
)
async def test_a_task_asks_at_its_limit_and_goes_on_when_it_is_raised(
    env: TaskEnvironment, limits: dict[str, Any], too_little: dict[str, Any], enough: dict[str, Any]
) -> None:
    async with env.worker(steps(4), double):
        handle = await env.start("Go.", env.agent(double, limits={**limits, "on_exhausted": "ask"}))
        (request,) = await pending_requests(handle)
        assert (request.kind, request.id) == ("limit", "input_1")
        raised: dict[str, Any] = {"input_request_id": "input_1", "decision": "raise", "limits": too_little}
        assert (await refusal_of(handle, "answer_input", raised))[0] == "AnswerMismatch"
        assert (await refusal_of(handle, "answer_input", {**raised, "limits": {}}))[0] == "AnswerMismatch"
        await answer_now(handle, "input_1", "raise", limits=enough)
        assert (await env.result(handle)).output == "Done."


async def test_raising_the_limit_without_an_answer_settles_the_request(env: TaskEnvironment) -> None:
    async with env.worker(steps(4), double):
        handle = await env.start("Go.", env.agent(double, limits={"max_steps": 2, "on_exhausted": "ask"}))
        await pending_requests(handle)
        verdict = await handle.execute_update("raise_limits", {"max_steps": 10}, result_type=LimitsVerdict)
        assert verdict.limits.max_steps == 10
        assert (await env.result(handle)).output == "Done."


async def test_a_person_stops_a_task_at_its_limit(env: TaskEnvironment) -> None:
    async with env.worker(steps(4), double):
        handle = await env.start("Go.", env.agent(double, limits={"max_steps": 2, "on_exhausted": "ask"}))
        await pending_requests(handle)
        await answer_now(handle, "input_1", "stop", answered_by="ada")
        error, failure = await env.failure(handle)
    assert (error.type, failure.step, failure.usage.model_calls) == ("LimitExceeded", 2, 2)
    assert failure.message == "max_steps is 2, and the task has used 2 steps, and ada stopped it there"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_steps": 1}, "max_steps is 5: a limit can be raised, not lowered to 1."),
        ({"max_tokens": 100}, "The task has no max_tokens: a limit can be raised, not added."),
        ({"max_stepz": 100}, "These are no limits: max_stepz: unknown"),
        ({}, "expected a limit"),
        ("many", "These are no limits"),
    ],
)
async def test_limits_are_raised_only(env: TaskEnvironment, changes: Any, message: str) -> None:
    gate = asyncio.Event()

    @tool(effect="pure")
    async def wait() -> str:
        await gate.wait()
        return "waited"

    async with env.worker(ScriptedModel([ToolCall(id="w", name="wait"), "Done."]), wait):
        handle = await env.start("Go.", env.agent(wait, limits={"max_steps": 5}))
        kind, text = await refusal_of(handle, "raise_limits", changes)
        gate.set()
        await env.result(handle)
    assert kind == "AnswerMismatch"
    assert message in text


async def test_a_task_asks_at_its_deadline_of_days_and_goes_on_or_is_stopped(
    time_skipping_env: TaskEnvironment, time_skipping_server: WorkflowEnvironment
) -> None:
    env = time_skipping_env

    @tool(effect="irreversible")
    def pay() -> str:
        return "paid"

    limits = {"deadline": "2d", "on_exhausted": "ask"}
    async with env.worker(ScriptedModel([ToolCall(id="p", name="pay"), "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay, limits=limits))
        await pending_requests(handle)
        await time_skipping_server.sleep(timedelta(days=3))
        approval, limit = await pending_requests(handle, 2)
        assert (approval.kind, limit.kind) == ("approval", "limit")
        short: dict[str, Any] = {"input_request_id": limit.id, "decision": "raise", "limits": {"deadline": "2.5d"}}
        assert (await refusal_of(handle, "answer_input", short))[0] == "AnswerMismatch"
        await answer_now(handle, limit.id, "raise", limits={"deadline": "9d"})
        await answer_now(handle, approval.id, "approve")
        assert (await env.result(handle)).output == "Paid."
