"""What a task does when all goes well, and what it says of itself."""

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


def scheduled(events: list[HistoryEvent]) -> list[str]:
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


async def test_a_task_goes_through_its_tools_to_an_answer(env: TaskEnvironment) -> None:
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


async def test_the_tool_calls_of_a_step_overlap_and_their_results_keep_the_order_of_the_calls(
    env: TaskEnvironment,
) -> None:
    together = asyncio.Barrier(3)
    turns = [asyncio.Event() for _ in range(4)]
    turns[3].set()

    @tool(effect="pure")
    async def meet(place: int) -> int:
        await together.wait()
        await turns[place + 1].wait()  # the last call ends first
        turns[place].set()
        return place

    calls = [ToolCall(id=f"c{place}", name="meet", arguments={"place": place}) for place in range(3)]
    async with env.worker(ScriptedModel([calls, "met"]), meet):
        _, handle = await env.run("Meet.", env.agent(meet))
        results = await env.tool_results(handle)
    assert [(result.call_id, result.content) for result in results] == [("c0", "0"), ("c1", "1"), ("c2", "2")]


async def test_a_tool_is_an_activity_of_its_own_name_and_a_fast_one_a_local_activity(env: TaskEnvironment) -> None:
    model = ScriptedModel([[call("double", "1", 21), call("half", "2", 21)], "done"])
    async with env.worker(model, double, half):
        _, handle = await env.run("Go.", env.agent(double, half))
        events = await env.history(handle)
        results = await env.tool_results(handle)
    assert scheduled(events) == ["request_model", "tool.double", "request_model"]
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
        said = summaries(env, await env.history(handle))
    expected = ["Step 1: ask scripted:m", "double(number=21)", "half(number=21)", "Step 2: ask scripted:m"]
    assert sorted(said) == sorted(expected)


async def test_the_queries_of_a_task_tell_how_far_it_is_while_it_works(env: TaskEnvironment) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def script(request: ModelRequest) -> ScriptedResponse:
        if len(request.messages) == 1:
            return call("double", "1", 21)
        asked.set()
        await go_on.wait()
        return "done"

    agent = env.agent(double)
    async with env.worker(ScriptedModel(script), double):
        handle = await env.start("Go.", agent)
        await asyncio.wait_for(asked.wait(), 10)
        status = await handle.query(AgentTask.status)
        assert (status.status, status.steps, status.doing) == ("running", 2, "step 2: asking scripted:m")
        assert (await handle.query(AgentTask.usage)) == status.usage
        assert (status.usage.model_calls, status.usage.tool_calls) == (1, 1)
        assert (await handle.query(AgentTask.agent_spec)) == agent
        assert (await handle.describe()).typed_search_attributes.get(STATUS) == "running"
        go_on.set()
        result = await env.result(handle)
        status = await handle.query(AgentTask.status)
    assert (status.status, status.steps, status.usage, status.doing) == ("completed", 2, result.usage, "")


async def test_a_finished_task_is_found_by_its_search_attributes(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([call("double", "1", 1), "done"]), double):
        _, handle = await env.run("Go.", env.agent(double))
    found = (await handle.describe()).typed_search_attributes
    assert (found.get(STATUS), found.get(STEPS), found.get(TOKENS), found.get(COST_USD)) == ("completed", 2, 30, None)


async def test_the_current_details_tell_the_story(env: TaskEnvironment) -> None:
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


async def test_the_transcript_query_gives_ranges_and_pages_that_make_up_the_whole(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([call("double", "1", 21), call("double", "2", 4), "done"]), double):
        _, handle = await env.run("Go.", env.agent(double))
        whole = await env.transcript(handle)
        middle = await handle.query(AgentTask.transcript, TranscriptRange(start=1, end=3))
        pages: list[Message] = []
        for start in range(len(whole)):
            page = await handle.query(AgentTask.transcript, TranscriptRange(start=start, max_bytes=1))
            assert (page.start, page.total, len(page.messages)) == (start, len(whole), 1)
            pages += page.messages
        beyond = await handle.query(AgentTask.transcript, TranscriptRange(start=len(whole)))
    assert len(whole) == 6
    assert list(middle.messages) == whole[1:3]
    assert pages == whole
    assert (beyond.messages, beyond.total) == ((), 6)


async def test_a_query_of_the_temporal_command_line_reads_the_transcript_as_plain_json(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["done"])):
        _, handle = await env.run("Go.")
        page = await handle.query("transcript", {})
        assert await handle.query("transcript") == page
    assert [message["role"] for message in page["messages"]] == ["user", "assistant"]
    assert page["messages"][1]["parts"] == [{"type": "text", "text": "done"}]


async def test_the_placeholder_asks_no_model(env: TaskEnvironment) -> None:
    model = ScriptedModel([])
    async with env.worker(model):
        result, handle = await env.run(user_message("back to me"), env.agent(planner="placeholder"))
        events = await env.history(handle)
    assert (result.output, model.requests, scheduled(events)) == ("back to me", [], [])
