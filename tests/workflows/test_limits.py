"""A task that reaches a limit fails; the error names the limit and what was used."""

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


async def call_in_every_step(request: ModelRequest) -> ScriptedResponse:
    """Respond with a tool call; each response uses 15 tokens."""
    call = ToolCall(id=f"c{len(request.messages)}", name="double", arguments={"number": 1})
    return Message(role="assistant", parts=(call,))


async def test_a_task_fails_after_max_steps(env: TaskEnvironment) -> None:
    model = ScriptedModel(call_in_every_step)
    async with env.worker(model, double):
        handle = await env.start("Go.", env.agent(double, limits={"max_steps": 3}))
        error, failure = await env.failure(handle)
    assert error.type == "LimitExceeded"
    assert failure.message == "max_steps is 3, and the task has used 3 steps"
    assert (failure.step, failure.usage.model_calls, failure.usage.tool_calls, len(model.requests)) == (3, 3, 3, 3)
    attributes = (await handle.describe()).typed_search_attributes
    assert (attributes.get(STATUS), attributes.get(STEPS), attributes.get(TOKENS)) == ("failed", 3, 45)


async def test_a_task_fails_when_its_tokens_are_used_up(env: TaskEnvironment) -> None:
    model = ScriptedModel(call_in_every_step)
    async with env.worker(model, double):
        handle = await env.start("Go.", env.agent(double, limits={"max_tokens": 31}))
        error, failure = await env.failure(handle)
    assert error.type == "LimitExceeded"
    assert failure.message == "max_tokens is 31, and the task has used 45 tokens"
    assert len(model.requests) == 3


async def test_a_task_fails_when_the_model_repeats_a_call_and_the_model_reads_it_before(env: TaskEnvironment) -> None:
    model = ScriptedModel(call_in_every_step)
    async with env.worker(model, double):
        handle = await env.start("Go.", env.agent(double))
        error, failure = await env.failure(handle)
        results = await env.tool_results(handle)
    assert error.type == "LoopDetected"
    assert failure.message.startswith("max_repeats is 6, and the model made the same call in as many steps in a row")
    assert (failure.step, failure.usage.tool_calls, len(model.requests)) == (6, 6, 6)
    assert [result.content.partition("\n")[0] for result in results] == ["2"] * 6
    assert ["in a row" in result.content for result in results] == [False, False, True, True, True, True]
    last_request = model.requests[-1].messages[-1].parts[0]
    assert last_request == results[4], "the model reads the note, too"


async def test_with_max_repeats_of_zero_a_model_may_repeat_itself(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(call_in_every_step), double):
        handle = await env.start("Go.", env.agent(double, limits={"max_repeats": 0, "max_steps": 8}))
        error, failure = await env.failure(handle)
    assert (error.type, failure.step) == ("LimitExceeded", 8)


async def test_an_output_in_the_last_step_and_with_the_last_tokens_completes_the_task(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["done"])):
        result, _ = await env.run("Go.", env.agent(limits={"max_steps": 1, "max_tokens": 15}))
    assert result.output == "done"


async def test_the_deadline_cancels_a_running_model_request(env: TaskEnvironment) -> None:
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


async def test_the_deadline_cancels_a_running_tool_call(env: TaskEnvironment) -> None:
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
