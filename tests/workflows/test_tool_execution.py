"""Tool calls as activities and local activities: their ids, queues, attempts and failures."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from activities.payload_types import tool_activity_id
from activities.temporal.worker_identity import own_identity
from activities.tool_calls import ToolCallLimits, ToolCalls
from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import ToolContext
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.tool_results import MAX_RESULT_CHARS
from agentkit.runtime.loop import MAX_PARALLEL_CALLS
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import PolicyRule
from agentkit.testing import ScriptedModel
from agentkit.tools import ToolRegistry, tool
from tests.unit.api.events.golden import events_of
from tests.workflows.answering import answer, pending_requests
from tests.workflows.conftest import Handle, TaskEnvironment
from worker import build_worker


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


TOOLS = (double, half, broken, slow)


@pytest.mark.parametrize(
    ("call", "content"),
    [
        pytest.param(ToolCall(id="c", name="broken"), "broken failed: ValueError: the disk is full", id="exception"),
        pytest.param(
            ToolCall(id="c", name="half", arguments={"number": 3}),
            "3 is odd. Send an even number.",
            id="error of a fast tool",
        ),
        pytest.param(ToolCall(id="c", name="slow"), "slow timed out after 0.05 s.", id="timeout"),
        pytest.param(
            ToolCall(id="c", name="double", arguments={"number": "many"}),
            "The arguments of double are wrong",
            id="invalid arguments",
        ),
        pytest.param(ToolCall(id="c", name="tripel"), "There is no tool 'tripel'", id="refused"),
    ],
)
async def test_a_failed_or_refused_call_is_an_error_result_and_the_task_continues(
    env: TaskEnvironment, call: ToolCall, content: str
) -> None:
    model = ScriptedModel([call, "I could not."])
    async with env.worker(model, *TOOLS):
        task_result, _ = await env.run("Go.", env.agent(*TOOLS))
    assert task_result.output == "I could not."
    (result,) = model.requests[1].messages[-1].parts
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.name, result.is_error) == ("c", call.name, True)
    assert result.content.startswith(content)


async def test_the_policy_decides_on_each_call_by_its_arguments(env: TaskEnvironment) -> None:
    paid: list[int] = []

    @tool(effect="irreversible")
    def pay(cents: int) -> str:
        paid.append(cents)
        return "paid"

    @tool(effect="pure", fast=True)
    def purge(path: str) -> str:
        raise AssertionError(path)

    rules = [
        {"tool": "pay", "if": {"cents": {"lte": 50}}, "then": "allow"},
        {"tool": "pay", "if": {"cents": {"lte": 500}}, "then": "ask", "reason": "It is much."},
        {"tool": "*", "then": "deny", "reason": "That is not for agents."},
    ]
    calls = [ToolCall(id=str(cents), name="pay", arguments={"cents": cents}) for cents in (50, 51, 501)]
    calls += [ToolCall(id="p", name="purge", arguments={"path": "/"}), ToolCall(id="x", name="drop")]
    async with env.worker(ScriptedModel([calls, "done"]), pay, purge):
        agent = env.agent(pay, purge, policy=tuple(map(PolicyRule.model_validate, rules)))
        handle = await env.start("Go.", agent)
        (request,) = await pending_requests(handle)
        assert request.message == "Approve this call of pay? It is much."
        await answer(handle, request, "deny", comment="Not today.")
        await env.result(handle)
        results = await env.tool_results(handle)
    assert paid == [50]
    assert results[0].content == "paid"
    assert results[1].content.startswith("Not called: pay was not approved: Not today.")
    assert results[2].content == (
        "Not called: pay is not allowed: That is not for agents. Go on without it, and say so."
    )
    assert results[3].content.startswith("Not called: purge is not allowed: That is not for agents.")
    assert results[4].content == "There is no tool 'drop'. Your tools: pay, purge."


async def test_every_attempt_of_a_call_has_the_same_idempotency_key(env: TaskEnvironment) -> None:
    contexts: list[ToolContext] = []

    @tool(effect="idempotent")
    def lookup(context: ToolContext) -> str:
        contexts.append(context)
        if len(contexts) < 3:
            raise ToolUnavailable("The station is closed.")
        return "found"

    async with env.worker(ScriptedModel([ToolCall(id="c", name="lookup"), "done"]), lookup):
        _, handle = await env.run("Go.", env.agent(lookup))
        (result,) = await env.tool_results(handle)
    assert (result.content, result.is_error) == ("found", False)
    assert [context.attempt for context in contexts] == [1, 2, 3]
    assert {context.idempotency_key for context in contexts} == {f"{handle.id}/c"}


async def test_an_irreversible_tool_is_attempted_once_even_when_it_is_unavailable(env: TaskEnvironment) -> None:
    attempts: list[int] = []

    @tool(effect="irreversible")
    def send(context: ToolContext) -> str:
        attempts.append(context.attempt)
        raise ToolUnavailable("The connection broke after sending.")

    agent = env.agent(send, policy=(PolicyRule(tool="send", then="allow"),))
    async with env.worker(ScriptedModel([ToolCall(id="c", name="send"), "unsure"]), send):
        handle = await env.start("Go.", agent)
        (request,) = await pending_requests(handle)
        await answer(handle, request, "give_up")
        await env.result(handle)
        (result,) = await env.tool_results(handle)
    assert attempts == [1]
    assert "may have taken effect: The connection broke after sending. Find out" in request.message
    assert (result.is_error, "Don't call it again before you have checked." in result.content) == (True, True)


@pytest.mark.parametrize("shape", ["text", "json"])
async def test_a_result_of_10_mb_is_bounded_in_history_and_in_the_models_request(
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
    (result,) = model.requests[1].messages[-1].parts
    assert isinstance(result, ToolResult)
    assert len(result.content) <= MAX_RESULT_CHARS
    assert "Call the tool again for less at a time" in result.content
    assert sum(event.ByteSize() for event in events) < 2 * MAX_RESULT_CHARS


async def test_calls_beyond_the_limit_of_a_step_are_refused(env: TaskEnvironment) -> None:
    calls = [ToolCall(id=f"c{number}", name="double", arguments={"number": number}) for number in range(40)]
    async with env.worker(ScriptedModel([calls, "done"]), double):
        task_result, handle = await env.run("Go.", env.agent(double))
        results = await env.tool_results(handle)
    assert [result.call_id for result in results] == [call.id for call in calls]
    made, refused = results[:MAX_PARALLEL_CALLS], results[MAX_PARALLEL_CALLS:]
    assert [result.content for result in made] == [str(2 * number) for number in range(MAX_PARALLEL_CALLS)]
    assert {result.content for result in refused} == {
        f"Not called: a step has {MAX_PARALLEL_CALLS} calls at most. Call it in the next."
    }
    assert task_result.usage.tool_calls == 40


async def test_calls_with_the_same_id_get_unique_ids_and_idempotency_keys(env: TaskEnvironment) -> None:
    keys: list[str] = []

    @tool(effect="pure")
    def record_key(context: ToolContext) -> None:
        keys.append(context.idempotency_key)

    call = ToolCall(id="call_0", name="record_key")
    async with env.worker(ScriptedModel([[call, call], call, "done"]), record_key):
        _, handle = await env.run("Go.", env.agent(record_key))
        transcript = await env.transcript(handle)
    ids = [call.id for message in transcript for call in message.tool_calls]
    assert sorted(keys) == sorted(f"{handle.id}/{id}" for id in ids)
    assert len(set(keys)) == 3


async def activity_ids(env: TaskEnvironment, handle: Handle) -> dict[str, str]:
    """Return the ids of a task's tool activities and local activities, by activity type."""
    ids: dict[str, str] = {}
    for event in await env.history(handle):
        scheduled = event.activity_task_scheduled_event_attributes
        marker = event.marker_recorded_event_attributes
        if scheduled.activity_type.name.startswith("tool."):
            ids[scheduled.activity_type.name] = scheduled.activity_id
        elif marker.marker_name == "core_local_activity":
            (local_activity,) = await env.client.data_converter.decode(marker.details["data"].payloads)
            ids[local_activity["activity_type"]] = local_activity["activity_id"]
    return ids


async def test_activities_and_local_activities_have_the_calls_id_as_their_id(env: TaskEnvironment) -> None:
    calls = [
        ToolCall(id="toolu_01A:b-c", name="double", arguments={"number": 4}),
        ToolCall(id="call_2", name="half", arguments={"number": 4}),
    ]
    async with env.worker(ScriptedModel([calls, "done"]), double, half):
        _, handle = await env.run("Go.", env.agent(double, half))
    assert await activity_ids(env, handle) == {"tool.double": "toolu_01A:b-c", "tool.half": "call_2"}


@pytest.mark.parametrize(
    "call_id",
    [
        pytest.param("x" * 5_000, id="5,000 characters"),
        pytest.param("ü" * 999, id="more bytes than characters"),
        pytest.param("a/b\\c\0d\n\u200b🚀 ", id="control characters"),
        pytest.param(" ", id="space"),
    ],
)
async def test_a_task_completes_whatever_ids_the_provider_gives_to_calls(env: TaskEnvironment, call_id: str) -> None:
    calls = [
        ToolCall(id=call_id, name="double", arguments={"number": 4}),
        ToolCall(id=call_id + call_id, name="half", arguments={"number": 4}),
    ]
    async with env.worker(ScriptedModel([calls, "done"]), double, half):
        _, handle = await env.run("Go.", env.agent(double, half))
        results = await env.tool_results(handle)
    assert [(result.call_id, result.content) for result in results] == [(call_id, "8"), (call_id * 2, "2.0")]
    assert await activity_ids(env, handle) == {
        "tool.double": tool_activity_id(call_id),
        "tool.half": tool_activity_id(call_id * 2),
    }


async def test_a_call_whose_arguments_make_a_summary_of_many_bytes_is_made(env: TaskEnvironment) -> None:
    @tool(effect="pure")
    def count(text: str) -> int:
        return len(text)

    call = ToolCall(id="c", name="count", arguments={"text": "🚀" * 200 + "\0"})
    async with env.worker(ScriptedModel([call, "done"]), count):
        _, handle = await env.run("Go.", env.agent(count))
        (result,) = await env.tool_results(handle)
    assert result.content == "201"


async def test_a_tool_with_a_task_queue_of_its_own_is_called_by_the_worker_of_that_queue(env: TaskEnvironment) -> None:
    tool_queue = f"{env.settings.task_queue}-tools"

    @tool(effect="pure", task_queue=tool_queue)
    def increment(number: int) -> int:
        return number + 1

    call = ToolCall(id="c", name="increment", arguments={"number": 1})
    async with (
        env.worker(ScriptedModel([call, "done"])),
        env.worker(ScriptedModel([]), increment, task_queue=tool_queue),
    ):
        _, handle = await env.run("Go.", env.agent(increment))
        (result,) = await env.tool_results(handle)
    assert (result.content, result.is_error) == ("2", False)


class ShortTimeoutOutbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        if input.schedule_to_start_timeout is not None:
            input.schedule_to_start_timeout = timedelta(milliseconds=100)
        return super().start_activity(input)


class ShortTimeoutInbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(ShortTimeoutOutbound(outbound))


class ShortScheduleToStartTimeout(Interceptor):
    """Shortens the schedule-to-start timeout of activities from minutes to 0.1 s."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return ShortTimeoutInbound


async def test_a_call_on_a_queue_without_a_worker_is_an_error_result_that_names_the_queue(env: TaskEnvironment) -> None:
    @tool(effect="irreversible", approval="never", task_queue="no-worker")
    def lookup() -> str:
        return "never"

    model = ScriptedModel([ToolCall(id="c", name="lookup"), "gave up"])
    async with env.worker_without_sharing(model, interceptors=[ShortScheduleToStartTimeout()]):
        task_result, handle = await env.run("Go.", env.agent(lookup))
        (result,) = await env.tool_results(handle)
    assert task_result.output == "gave up"
    content = "lookup was not called: no worker serves task queue 'no-worker'. Go on without it."
    assert (result.content, result.is_error) == (content, True)


async def wait_for_refusals(handle: Handle, count: int = 1, error_type: str = "ToolNotServed") -> None:
    """Wait until workers have refused activities, by default because they lack the tool."""
    refused = 0
    async with asyncio.timeout(30):
        async for event in handle.fetch_history_events(wait_new_event=True):
            failure = event.activity_task_failed_event_attributes.failure
            refused += failure.application_failure_info.type == error_type
            if refused == count:
                return


@pytest.mark.parametrize("fast", [False, True], ids=["activity", "local activity"])
async def test_a_call_that_a_worker_without_the_tool_refused_is_made_once_by_a_worker_that_has_it(
    env: TaskEnvironment, fast: bool
) -> None:
    attempts: list[int] = []

    @tool(effect="pure" if fast else "irreversible", fast=fast)
    def send(context: ToolContext) -> str:
        attempts.append(context.attempt)
        return "sent"

    model = ScriptedModel([ToolCall(id="c", name="send"), "done"])
    async with env.worker(model):
        agent = env.agent(send, policy=(PolicyRule(tool="send", then="allow"),))
        handle = await env.start("Go.", agent)
        await wait_for_refusals(handle)
    async with env.worker(model, send):
        task_result = await env.result(handle)
        (result,) = await env.tool_results(handle)
    assert task_result.output == "done"
    assert (result.content, result.is_error, attempts) == ("sent", False, [1])


async def test_a_task_whose_tool_no_worker_has_fails_after_a_minute_and_names_what_to_start(
    time_skipping_env: TaskEnvironment,
) -> None:
    env = time_skipping_env
    async with env.worker(ScriptedModel([ToolCall(id="c", name="half", arguments={"number": 4})]), double):
        handle = await env.start("Go.", env.agent(double, half))
        error, _ = await env.failure(handle)
        events = await env.history(handle)
    seconds = (events[-1].event_time.ToDatetime() - events[0].event_time.ToDatetime()).total_seconds()
    assert 60 <= seconds < 90
    assert error.type == "ToolNotServed"
    assert "No worker that was asked has the tool 'half'" in error.message
    assert f"task queue '{env.settings.task_queue}'" in error.message
    assert "opspawn worker --app-dir DIR" in error.message
    assert f"{own_identity(env.settings)}: There is no tool 'half'. Tools: double." in error.message


async def test_a_task_can_be_cancelled_while_no_worker_has_its_tool(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([ToolCall(id="c", name="double")])):
        handle = await env.start("Go.", env.agent(double))
        await wait_for_refusals(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as raised:
            await env.result(handle)
    assert isinstance(raised.value.cause, CancelledError)


async def test_a_call_that_finds_its_worker_busy_is_made_once_as_soon_as_it_is_not(env: TaskEnvironment) -> None:
    release, started = asyncio.Event(), list[str]()

    @tool(effect="irreversible", approval="never")
    async def hold(context: ToolContext) -> str:
        started.append(context.call_id)
        await release.wait()
        return "held"

    calls = [ToolCall(id="a", name="hold"), ToolCall(id="b", name="hold")]
    model, tool_calls = ScriptedModel([calls, "done"]), ToolCalls(ToolCallLimits(running=1, waiting=0))
    worker = build_worker(
        env.client, env.settings, {"scripted": model}, ToolRegistry([hold]), InlineOutputChecker(), None, tool_calls
    )
    async with worker:
        handle = await env.start("Go.", env.agent(hold))
        await wait_for_refusals(handle, error_type="WorkerBusy")
        assert len(started) == 1
        release.set()
        await env.result(handle)
        results = await env.tool_results(handle)
    assert [(result.content, result.is_error) for result in results] == [("held", False)] * 2
    assert sorted(started) == ["a", "b"]


async def test_a_fast_call_that_takes_long_is_made_again_as_an_activity(env: TaskEnvironment) -> None:
    started = 0

    @tool(effect="pure", fast=True)
    async def look() -> str:
        nonlocal started
        started += 1
        if started == 1:
            await asyncio.Event().wait()
        return "seen"

    async with env.worker(ScriptedModel([ToolCall(id="c", name="look"), "done"]), look):
        _, handle = await env.run("Go.", env.agent(look))
        (result,) = await env.tool_results(handle)
        events = await events_of(await handle.fetch_history())
    assert (result.content, result.is_error, started) == ("seen", False, 2)
    assert [event.type for event in events if event.type.startswith("tool.")] == ["tool.started", "tool.completed"]
