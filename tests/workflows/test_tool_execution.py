"""What becomes of tool calls that go wrong: the model reads why, and the task goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from temporalio import workflow
from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import ToolContext
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.loop import MAX_PARALLEL_CALLS
from agentkit.runtime.tool_results import MAX_RESULT_CHARS
from agentkit.specs import ApprovalRule
from agentkit.testing import ScriptedModel
from agentkit.tools import tool

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


@tool(effect="pure", fast=True)
def half(number: int) -> float:
    if number % 2:
        raise ToolError(f"{number} is odd. Send an even number.")
    return number / 2


@tool(effect="pure")
def broken() -> str:
    raise ValueError("the disk is full")


@tool(effect="pure", timeout="50ms")
async def slow() -> str:
    await asyncio.Event().wait()
    return "never"


@tool(effect="irreversible")
def launch() -> str:
    return "launched"


TOOLS = (double, half, broken, slow, launch)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(
            ToolCall(id="c", name="tripel"),
            "There is no tool 'tripel'. Your tools: double, half, broken, slow, launch.",
            id="the agent hasn't got it",
        ),
        pytest.param(
            ToolCall(id="c", name="double", malformed='{"number": '),
            "Send one JSON object as arguments. This is none: '{\"number\": '",
            id="its arguments are no JSON",
        ),
        pytest.param(
            ToolCall(id="c", name="double", arguments={"number": "many"}),
            "The arguments of double are wrong, so nothing was done. Mend them and call again:\n- number",
            id="its arguments don't fit",
        ),
        pytest.param(ToolCall(id="c", name="broken"), "broken failed: ValueError: the disk is full", id="it raises"),
        pytest.param(
            ToolCall(id="c", name="half", arguments={"number": 3}),
            "3 is odd. Send an even number.",
            id="fast, and it raises",
        ),
        pytest.param(ToolCall(id="c", name="slow"), "slow timed out after 0.05 s.", id="it is too slow"),
        pytest.param(
            ToolCall(id="c", name="launch"),
            "Not called: launch needs a person's approval (its effect, irreversible)",
            id="it needs an approval",
        ),
    ],
)
async def test_a_call_that_fails_is_told_to_the_model_and_the_task_goes_on(
    env: TaskEnvironment, call: ToolCall, words: str
) -> None:
    model = ScriptedModel([call, "I could not."])
    async with env.worker(model, *TOOLS):
        result, _ = await env.run("Go.", env.agent(*TOOLS))
    assert result.output == "I could not."
    (told,) = model.requests[1].messages[-1].parts
    assert isinstance(told, ToolResult)
    assert told.is_error
    assert told.content.startswith(words)
    assert (told.call_id, told.name) == ("c", call.name)


async def test_an_irreversible_tool_that_needs_approval_is_not_scheduled(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([ToolCall(id="c", name="launch"), "I could not."]), launch):
        _, handle = await env.run("Go.", env.agent(launch))
        events = await env.history(handle)
    assert b"tool.launch" not in b"".join(event.SerializeToString() for event in events)


async def test_a_tool_that_is_unavailable_twice_is_called_again_with_the_same_key(env: TaskEnvironment) -> None:
    seen: list[ToolContext] = []

    @tool(effect="idempotent", fast=False)
    def shaky(context: ToolContext) -> str:
        seen.append(context)
        if len(seen) < 3:
            raise ToolUnavailable("The station is away.")
        return "here"

    async with env.worker(ScriptedModel([ToolCall(id="c", name="shaky"), "done"]), shaky):
        _, handle = await env.run("Go.", env.agent(shaky))
        (result,) = await env.tool_results(handle)
    assert (result.content, result.is_error) == ("here", False)
    assert [context.attempt for context in seen] == [1, 2, 3]
    assert {context.idempotency_key for context in seen} == {f"{handle.id}/c"}


async def test_an_irreversible_tool_is_attempted_once_even_when_it_says_to_try_again(env: TaskEnvironment) -> None:
    attempts: list[int] = []

    @tool(effect="irreversible")
    def send(context: ToolContext) -> str:
        attempts.append(context.attempt)
        raise ToolUnavailable("The connection broke after sending.")

    agent = env.agent(send, approvals=(ApprovalRule(tool="send", when="never"),))
    async with env.worker(ScriptedModel([ToolCall(id="c", name="send"), "unsure"]), send):
        _, handle = await env.run("Go.", agent)
        (result,) = await env.tool_results(handle)
    assert attempts == [1]
    assert (result.content, result.is_error) == ("The connection broke after sending.", True)


@pytest.mark.parametrize("shape", ["text", "json"])
async def test_a_result_of_10_mb_is_bounded_in_history_and_in_what_the_model_sees(
    env: TaskEnvironment, shape: str
) -> None:
    @tool(effect="pure")
    def dump() -> str | list[str]:
        return "#" * 10_000_000 if shape == "text" else ["#" * 100] * 100_000

    env = env.without_payload_storage()
    model = ScriptedModel([ToolCall(id="c", name="dump"), "a lot"])
    async with env.worker(model, dump):
        _, handle = await env.run("Go.", env.agent(dump))
        events = await env.history(handle)
    (told,) = model.requests[1].messages[-1].parts
    assert isinstance(told, ToolResult)
    assert len(told.content) <= MAX_RESULT_CHARS
    assert "Call the tool again for less at a time" in told.content
    assert sum(event.ByteSize() for event in events) < 2 * MAX_RESULT_CHARS


async def test_of_40_calls_in_one_step_the_most_allowed_are_made_and_the_rest_are_told(env: TaskEnvironment) -> None:
    calls = [ToolCall(id=f"c{number}", name="double", arguments={"number": number}) for number in range(40)]
    async with env.worker(ScriptedModel([calls, "done"]), double):
        result, handle = await env.run("Go.", env.agent(double))
        results = await env.tool_results(handle)
    assert [told.call_id for told in results] == [call.id for call in calls]
    made, refused = results[:MAX_PARALLEL_CALLS], results[MAX_PARALLEL_CALLS:]
    assert [told.content for told in made] == [str(2 * number) for number in range(MAX_PARALLEL_CALLS)]
    assert {told.content for told in refused} == {
        f"Not called: a step has {MAX_PARALLEL_CALLS} calls at most. Call it in the next."
    }
    assert result.usage.tool_calls == 40


async def test_calls_whose_ids_repeat_get_keys_of_their_own(env: TaskEnvironment) -> None:
    keys: list[str] = []

    @tool(effect="pure")
    def note(context: ToolContext) -> None:
        keys.append(context.idempotency_key)

    same = ToolCall(id="call_0", name="note")
    async with env.worker(ScriptedModel([[same, same], same, "done"]), note):
        _, handle = await env.run("Go.", env.agent(note))
        transcript = await env.transcript(handle)
    ids = [call.id for message in transcript for call in message.tool_calls]
    assert sorted(keys) == sorted(f"{handle.id}/{id}" for id in ids)
    assert len(set(keys)) == 3


async def test_a_tool_that_only_another_queue_serves_is_called_there(env: TaskEnvironment) -> None:
    @tool(effect="pure", task_queue=f"{env.settings.task_queue}-elsewhere")
    def far(number: int) -> int:
        return number + 1

    call = ToolCall(id="c", name="far", arguments={"number": 1})
    elsewhere = f"{env.settings.task_queue}-elsewhere"
    async with env.worker(ScriptedModel([call, "done"])), env.worker(ScriptedModel([]), far, task_queue=elsewhere):
        _, handle = await env.run("Go.", env.agent(far))
        (result,) = await env.tool_results(handle)
    assert (result.content, result.is_error) == ("2", False)


class HastyOutbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        if input.schedule_to_start_timeout is not None:
            input.schedule_to_start_timeout = timedelta(milliseconds=100)
        return super().start_activity(input)


class HastyInbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(HastyOutbound(outbound))


class Hasty(Interceptor):
    """Shortens the wait for workers from minutes."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return HastyInbound


async def test_a_tool_whose_queue_nobody_serves_is_told_to_the_model(env: TaskEnvironment) -> None:
    @tool(effect="irreversible", approval="never", task_queue="nobody")
    def reach() -> str:
        return "never"

    model = ScriptedModel([ToolCall(id="c", name="reach"), "gave up"])
    async with env.worker_without_sharing(model, interceptors=[Hasty()]):
        result, handle = await env.run("Go.", env.agent(reach))
        (told,) = await env.tool_results(handle)
    assert result.output == "gave up"
    words = "reach was not called: no worker serves task queue 'nobody'. Go on without it."
    assert (told.content, told.is_error) == (words, True)
