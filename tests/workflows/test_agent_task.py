"""A task without failures: its result, its activities, and what queries and search attributes show of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowMetadata

from activities.payload_types import TranscriptRange
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, ToolCall, user_message
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.agent_task import AgentTask
from workflows.search_attributes import COST_USD, STATUS, STEPS, TOKENS

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


@tool(effect="pure", fast=True)
def half(number: int) -> float:
    return number / 2


def call(name: str, id: str, number: int) -> ToolCall:
    return ToolCall(id=id, name=name, arguments={"number": number})


def activity_types(events: list[HistoryEvent]) -> list[str]:
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


def summaries(env: TaskEnvironment, events: list[HistoryEvent]) -> list[str]:
    converter = env.client.data_converter.payload_converter
    return [
        converter.from_payload(event.user_metadata.summary, str)
        for event in events
        if event.user_metadata.HasField("summary")
    ]


async def test_the_models_tool_calls_are_made_and_its_last_response_is_the_output(
    env: TaskEnvironment,
) -> None:
    model = ScriptedModel([call("double", "1", 21), "It is 42."])
    async with env.worker(model, double):
        result, handle = await env.run("Double 21.", env.agent(double, instructions="Be brief."))
        transcript = await env.transcript(handle)
    assert (result.output, result.steps) == ("It is 42.", 2)
    assert (result.usage.model_calls, result.usage.tool_calls, result.usage.tokens) == (2, 1, 30)
    assert [message.role for message in transcript] == ["user", "assistant", "tool", "assistant"]
    assert [list(request.messages) for request in model.requests] == [transcript[:1], transcript[:3]]
    assert {request.system for request in model.requests} == {"Be brief."}
    assert [spec.name for spec in model.requests[0].tools] == ["double"]


async def test_the_tool_calls_of_a_step_run_in_parallel_and_their_results_keep_the_order_of_the_calls(
    env: TaskEnvironment,
) -> None:
    all_started = asyncio.Barrier(3)
    finished = [asyncio.Event() for _ in range(4)]
    finished[3].set()

    @tool(effect="pure")
    async def meet(number: int) -> int:
        await all_started.wait()
        await finished[number + 1].wait()  # the last call ends first
        finished[number].set()
        return number

    calls = [call("meet", f"c{number}", number) for number in range(3)]
    async with env.worker(ScriptedModel([calls, "met"]), meet):
        _, handle = await env.run("Meet.", env.agent(meet))
        results = await env.tool_results(handle)
    assert [(result.call_id, result.content) for result in results] == [("c0", "0"), ("c1", "1"), ("c2", "2")]


async def test_a_tool_is_an_activity_of_its_own_type_and_a_fast_tool_a_local_activity(env: TaskEnvironment) -> None:
    model = ScriptedModel([[call("double", "1", 21), call("half", "2", 21)], "done"])
    async with env.worker(model, double, half):
        _, handle = await env.run("Go.", env.agent(double, half))
        events = await env.history(handle)
        results = await env.tool_results(handle)
    assert activity_types(events) == ["request_model", "tool.double", "request_model"]
    markers = [
        event.marker_recorded_event_attributes for event in events if event.HasField("marker_recorded_event_attributes")
    ]
    assert [marker.marker_name for marker in markers] == ["core_local_activity"]
    assert b"tool.half" in markers[0].SerializeToString()
    assert [result.content for result in results] == ["42", "10.5"]


async def test_every_activity_has_a_summary(env: TaskEnvironment) -> None:
    model = ScriptedModel([[call("double", "1", 21), call("half", "2", 21)], "done"])
    async with env.worker(model, double, half):
        _, handle = await env.run("Go.", env.agent(double, half))
        activity_summaries = summaries(env, await env.history(handle))
    expected = ["Step 1: ask scripted:m", "double(number=21)", "half(number=21)", "Step 2: ask scripted:m"]
    assert sorted(activity_summaries) == sorted(expected)


async def test_queries_return_status_usage_and_agent_while_the_task_runs_and_after_its_end(
    env: TaskEnvironment,
) -> None:
    requested, response_allowed = asyncio.Event(), asyncio.Event()

    async def script(request: ModelRequest) -> ScriptedResponse:
        if len(request.messages) == 1:
            return call("double", "1", 21)
        requested.set()
        await response_allowed.wait()
        return "done"

    agent = env.agent(double)
    async with env.worker(ScriptedModel(script), double):
        handle = await env.start("Go.", agent)
        await asyncio.wait_for(requested.wait(), 10)
        status = await handle.query(AgentTask.status)
        assert (status.status, status.steps, status.doing) == ("running", 2, "step 2: asking scripted:m")
        assert (await handle.query(AgentTask.usage)) == status.usage
        assert (status.usage.model_calls, status.usage.tool_calls) == (1, 1)
        assert (await handle.query(AgentTask.agent_spec)) == agent
        assert (await handle.describe()).typed_search_attributes.get(STATUS) == "running"
        response_allowed.set()
        result = await env.result(handle)
        status = await handle.query(AgentTask.status)
    assert (status.status, status.steps, status.usage, status.doing) == ("completed", 2, result.usage, "")


async def test_a_completed_task_has_its_status_steps_and_tokens_as_search_attributes(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([call("double", "1", 1), "done"]), double):
        _, handle = await env.run("Go.", env.agent(double))
    attributes = (await handle.describe()).typed_search_attributes
    assert (attributes.get(STATUS), attributes.get(STEPS), attributes.get(TOKENS)) == ("completed", 2, 30)
    assert attributes.get(COST_USD) is None, "the price is not known"


async def test_the_current_details_show_each_step_and_the_totals(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([call("double", "1", 21), "It is 42."]), double):
        _, handle = await env.run("Go.", env.agent(double))
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert metadata.current_details.split("\n\n") == [
        "**completed** (30 tokens, 2 model calls, 1 tool calls)",
        "**Step 1** scripted:m",
        "- calls `double(number=21)`",
        "- double gave: 42",
        "**Step 2** scripted:m",
        "- says: It is 42.",
    ]


async def test_the_transcript_query_returns_ranges_and_pages_of_bounded_size(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([call("double", "1", 21), call("double", "2", 4), "done"]), double):
        _, handle = await env.run("Go.", env.agent(double))
        transcript = await env.transcript(handle)
        middle = await handle.query(AgentTask.transcript, TranscriptRange(start=1, end=3))
        pages: list[Message] = []
        for start in range(len(transcript)):
            page = await handle.query(AgentTask.transcript, TranscriptRange(start=start, max_bytes=1))
            assert (page.start, page.total, len(page.messages)) == (start, len(transcript), 1)
            pages += page.messages
        beyond = await handle.query(AgentTask.transcript, TranscriptRange(start=len(transcript)))
    assert len(transcript) == 6
    assert list(middle.messages) == transcript[1:3]
    assert pages == transcript
    assert (beyond.messages, beyond.total) == ((), 6)


async def test_the_transcript_query_needs_no_argument_and_returns_plain_json(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["done"])):
        _, handle = await env.run("Go.")
        page = await handle.query("transcript", {})
        assert await handle.query("transcript") == page
    assert [message["role"] for message in page["messages"]] == ["user", "assistant"]
    assert page["messages"][1]["parts"] == [{"type": "text", "text": "done"}]


async def test_the_placeholder_planner_requests_no_model(env: TaskEnvironment) -> None:
    model = ScriptedModel([])
    async with env.worker(model):
        result, handle = await env.run(user_message("echo this"), env.agent(planner="placeholder"))
        events = await env.history(handle)
    assert (result.output, model.requests, activity_types(events)) == ("echo this", [], [])
