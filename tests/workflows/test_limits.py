"""Limits end a task, and say which, and what was used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.agent_task import AgentTask
from workflows.search_attributes import STATUS, STEPS, TOKENS

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


async def forever(request: ModelRequest) -> ScriptedResponse:
    """Call a tool in every step; each costs 15 tokens."""
    call = ToolCall(id=f"c{len(request.messages)}", name="double", arguments={"number": 1})
    return Message(role="assistant", parts=(call,))


async def test_a_task_ends_after_max_steps(env: TaskEnvironment) -> None:
    model = ScriptedModel(forever)
    async with env.worker(model, double):
        handle = await env.start("Go.", env.agent(double, limits={"max_steps": 3}))
        error, failure = await env.failure(handle)
    assert error.type == "LimitExceeded"
    assert failure.message == "max_steps is 3, and the task has used 3 steps"
    assert (failure.step, failure.usage.model_calls, failure.usage.tool_calls, len(model.requests)) == (3, 3, 3, 3)
    found = (await handle.describe()).typed_search_attributes
    assert (found.get(STATUS), found.get(STEPS), found.get(TOKENS)) == ("failed", 3, 45)


async def test_a_task_ends_when_its_tokens_are_spent(env: TaskEnvironment) -> None:
    model = ScriptedModel(forever)
    async with env.worker(model, double):
        handle = await env.start("Go.", env.agent(double, limits={"max_tokens": 31}))
        error, failure = await env.failure(handle)
    assert error.type == "LimitExceeded"
    assert failure.message == "max_tokens is 31, and the task has used 45 tokens"
    assert len(model.requests) == 3


async def test_an_answer_within_the_last_step_is_the_answer(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["done"])):
        result, _ = await env.run("Go.", env.agent(limits={"max_steps": 1, "max_tokens": 15}))
    assert result.output == "done"


async def test_the_deadline_reaches_a_model_that_is_being_asked(env: TaskEnvironment) -> None:
    cancelled = asyncio.Event()

    async def script(_: ModelRequest) -> ScriptedResponse:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    async with env.worker(ScriptedModel(script)):
        handle = await env.start("Go.", env.agent(limits={"deadline": "100ms"}))
        error, failure = await env.failure(handle)
        await asyncio.wait_for(cancelled.wait(), 6)
        status = await handle.query(AgentTask.status)
    assert (error.type, failure.message) == ("DeadlineExceeded", "deadline is 0.1 s, and the task has run for as long")
    assert (status.status, status.error) == ("timed_out", failure.message)
    assert (await handle.describe()).typed_search_attributes.get(STATUS) == "timed_out"


async def test_the_deadline_reaches_a_tool_that_is_being_called(env: TaskEnvironment) -> None:
    cancelled = asyncio.Event()

    @tool(effect="pure")
    async def wait() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    async with env.worker(ScriptedModel([ToolCall(id="c", name="wait"), "never"]), wait):
        handle = await env.start("Go.", env.agent(wait, limits={"deadline": "500ms"}))
        error, failure = await env.failure(handle)
        await asyncio.wait_for(cancelled.wait(), 6)
    assert (error.type, failure.step, failure.usage.model_calls) == ("DeadlineExceeded", 1, 1)
