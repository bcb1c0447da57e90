"""Tasks that ask a person at a limit, and limits that people raise."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.model import ModelActivities
from activities.payload_types import STORE_ACTIVITY, StoredTranscript
from activities.storage.message_storing import StoringActivity
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.tool import ToolActivities
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, ToolCall
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry, tool
from agentkit.transcript import Segment
from tests.workflows.answering import pending_requests
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from tests.workflows.steering_calls import answer_now, refusal_of, view_when
from workflows.agent_task import AgentTask
from workflows.task_types import LimitsVerdict
from workflows.workflow_sandbox import sandboxed_runner


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
        ({"max_repeats": 1}, "max_repeats is 6: a limit can be raised, not lowered to 1."),
        ({"max_cost_usd": "inf"}, "These are no limits: max_cost_usd"),
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
    assert kind == "SteeringInvalid"
    assert message in text


async def test_a_deadline_is_raised_before_the_task_starts(env: TaskEnvironment) -> None:
    handle = await env.start("Go.", env.agent(limits={"deadline": "1h"}))
    await handle.signal("raise_limits", {"deadline": "2h"})
    async with env.worker(ScriptedModel(["Done."])):
        assert (await env.result(handle)).output == "Done."


async def test_an_answer_doesnt_lower_a_limit_that_was_raised_further_meanwhile(env: TaskEnvironment) -> None:
    agent = env.agent(double, limits={"max_steps": 1, "on_exhausted": "ask"})
    async with env.worker(steps(4), double):
        handle = await env.start("Go.", agent)
        (request,) = await pending_requests(handle)
    raised: dict[str, Any] = {"input_request_id": request.id, "decision": "raise", "limits": {"max_steps": 2}}
    await handle.signal("answer_input", raised)
    await handle.signal("raise_limits", {"max_steps": 50})  # in the same workflow task
    async with env.worker(steps(4), double):
        assert (await env.result(handle)).output == "Done."


async def test_a_task_whose_deadline_comes_while_it_would_continue_as_new_asks_first(
    short_history_env: TaskEnvironment,
) -> None:
    env = short_history_env
    storing, gate = asyncio.Event(), asyncio.Event()
    reader = TranscriptReader(env.client, TranscriptCache(10_000))
    stored = StoringActivity(env.client, reader)

    @activity.defn(name=STORE_ACTIVITY)
    async def store_messages(segment: Segment) -> StoredTranscript:
        storing.set()
        await gate.wait()
        return await stored.store_messages(segment)

    async with Worker(
        env.client,
        task_queue=env.settings.task_queue,
        workflows=[AgentTask],
        activities=[
            ModelActivities({"scripted": steps(12)}, reader, InlineOutputChecker()).request_model,
            ToolActivities(ToolRegistry([double])).call_tool,
            store_messages,
        ],
        workflow_runner=sandboxed_runner(),
    ):
        handle = await env.start("Go.", env.agent(double, limits={"deadline": "3s", "on_exhausted": "ask"}))
        await asyncio.wait_for(storing.wait(), TIMEOUT_S)
        (request,) = await pending_requests(handle)
        gate.set()
        await view_when(handle, lambda view: view.doing == "waiting for more time")
        assert (await handle.describe()).run_id == handle.first_execution_run_id
        await answer_now(handle, request.id, "raise", limits={"deadline": "1h"})
        assert (await env.result(handle)).output == "Done."
        assert (await handle.describe()).run_id != handle.first_execution_run_id


async def test_a_task_asks_at_its_deadline_of_days_and_goes_on_or_is_stopped(
    time_skipping_env: TaskEnvironment, time_skipping_server: WorkflowEnvironment
) -> None:
    env = time_skipping_env

    paid: list[int] = []

    @tool(effect="irreversible")
    def pay() -> str:
        paid.append(1)
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
        await answer_now(handle, approval.id, "approve")
        await view_when(handle, lambda view: view.status == "waiting")
        assert paid == []  # not before somebody gives more time
        await answer_now(handle, limit.id, "raise", limits={"deadline": "9d"})
        assert (await env.result(handle)).output == "Paid."
