"""What the workflow records in the journal, and the ids of its model activities."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from agentkit.errors import ModelNotAuthorized, ToolError
from agentkit.messages import ToolCall
from agentkit.specs import PolicyRule
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.listing.journal import (
    JOURNAL_KEY,
    MAX_JOURNAL_BYTES,
    JournalEntry,
    ParsedCallEntry,
    PlanEntry,
    RefusedCallEntry,
    read_journal,
)

if TYPE_CHECKING:
    from tests.workflows.conftest import Handle, TaskEnvironment


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


@tool(effect="pure", fast=True)
def half(number: int) -> float:
    if number % 2:
        raise ToolError("Send an even number.")
    return number / 2


@tool(effect="irreversible")
def launch(number: int) -> str:
    return "launched"


NO_LAUNCH = (PolicyRule(tool="launch", then="deny"),)


def call(name: str, id: str, number: int) -> ToolCall:
    return ToolCall(id=id, name=name, arguments={"number": number})


def react(name: str, **arguments: int | str) -> str:
    """Return the text by which a model calls a tool under the ``react`` planner."""
    return json.dumps({"thought": "t", "action": {"name": name, "arguments": arguments}})


def journal_payloads(events: list[HistoryEvent]) -> list[Payload]:
    """Return what the memo key of the journal was set to, in order."""
    memos = [event.workflow_properties_modified_event_attributes.upserted_memo.fields for event in events]
    return [fields[JOURNAL_KEY] for fields in memos if JOURNAL_KEY in fields]


async def journal(env: TaskEnvironment, handle: Handle) -> list[list[JournalEntry]]:
    """Return the entries of each journal event in a task's history."""
    payloads = journal_payloads(await env.history(handle))
    return [read_journal(value) for value in await env.client.data_converter.decode(payloads)]


async def test_a_plan_is_recorded_with_its_step(env: TaskEnvironment) -> None:
    plans = ['{"plan": ["double 21", "report"]}', '{"plan": ["report"]}']
    model = ScriptedModel([plans[0], call("double", "c", 21), plans[1], "42"])
    async with env.worker(model, double):
        _, handle = await env.run("Twice 21?", env.agent(double, planner="plan"))
    assert await journal(env, handle) == [
        [PlanEntry(step=1, plan=("double 21", "report"))],
        [PlanEntry(step=3, plan=("report",))],
    ]


async def test_refused_calls_are_recorded_without_the_arguments_that_the_models_message_holds(
    env: TaskEnvironment,
) -> None:
    calls = [call("launch", "a", 1), call("double", "b", 21), call("tripel", "c", 2)]
    async with env.worker(ScriptedModel([calls, "done"]), double, launch):
        _, handle = await env.run("Go.", env.agent(double, launch, policy=NO_LAUNCH))
        results = await env.tool_results(handle)
    assert await journal(env, handle) == [
        [
            RefusedCallEntry(
                step=1, call=ToolCall(id="a", name="launch"), message=results[0].content, decided_by="policy rule 1"
            ),
            RefusedCallEntry(step=1, call=ToolCall(id="c", name="tripel"), message=results[2].content),
        ]
    ]


async def test_refusals_are_recorded_before_the_other_calls_of_the_step_are_scheduled(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([[call("double", "a", 21), call("tripel", "b", 2)], "done"]), double):
        _, handle = await env.run("Go.", env.agent(double))
        events = await env.history(handle)
    (recorded,) = (event.event_id for event in events if journal_payloads([event]))
    (scheduled,) = (
        event.event_id
        for event in events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "tool.double"
    )
    assert recorded < scheduled


async def test_calls_that_react_parses_are_recorded_where_no_other_event_holds_their_arguments(
    env: TaskEnvironment,
) -> None:
    script = [
        react("half", number=84),
        react("double", number=21),
        react("launch", number=1),
        react("finish", answer="42"),
    ]
    async with env.worker(ScriptedModel(script), half, double, launch):
        _, handle = await env.run("Go.", env.agent(half, double, launch, planner="react", policy=NO_LAUNCH))
        results = await env.tool_results(handle)
    assert await journal(env, handle) == [
        [ParsedCallEntry(step=1, call=call("half", "call_1_0", 84))],
        [
            RefusedCallEntry(
                step=3,
                call=call("launch", "call_3_0", 1),
                message=results[2].content,
                decided_by="policy rule 1",
            )
        ],
    ]
    assert [(result.call_id, result.content) for result in results[:2]] == [("call_1_0", "42.0"), ("call_2_0", "42")]


async def test_many_refusals_are_recorded_in_several_events_of_bounded_size(env: TaskEnvironment) -> None:
    calls = [call("tripel", f"call_{number}", number) for number in range(100)]
    async with env.worker(ScriptedModel([calls, "done"]), double):
        _, handle = await env.run("Go.", env.agent(double))
        payloads = journal_payloads(await env.history(handle))
        batches = await journal(env, handle)
        newest = await (await handle.describe()).memo_value(JOURNAL_KEY)
    assert len(payloads) > 2
    assert max(len(payload.data) for payload in payloads) <= MAX_JOURNAL_BYTES
    entries = [entry for batch in batches for entry in batch]
    assert [entry.call.id for entry in entries if isinstance(entry, RefusedCallEntry)] == [call.id for call in calls]
    assert read_journal(newest) == batches[-1], "the memo keeps the newest entries only"


async def test_a_task_without_plans_refusals_and_parsed_calls_has_no_journal(env: TaskEnvironment) -> None:
    script: list[ScriptedResponse] = [
        "",
        [call("double", "a", 21), call("half", "b", 84), call("half", "c", 3)],
        "done",
    ]
    async with env.worker(ScriptedModel(script), double, half):
        _, handle = await env.run("Go.", env.agent(double, half))
        events = await env.history(handle)
        results = await env.tool_results(handle)
    assert [result.is_error for result in results] == [False, False, True]
    assert journal_payloads(events) == []
    modified = [event for event in events if event.HasField("workflow_properties_modified_event_attributes")]
    assert len(modified) == 1, "only the usage at the end"


async def test_a_model_activitys_id_names_the_step_and_the_position_in_the_chain(env: TaskEnvironment) -> None:
    script: list[ScriptedResponse] = [call("double", "a", 21), ModelNotAuthorized("wrong key", status=401), "done"]
    async with env.worker(ScriptedModel(script), double):
        _, handle = await env.run("Go.", env.agent(double, models=("scripted:first", "scripted:second")))
        events = await env.history(handle)
    scheduled = [event.activity_task_scheduled_event_attributes for event in events]
    ids = [attributes.activity_id for attributes in scheduled if attributes.activity_type.name == "request_model"]
    assert ids == ["model-1-0", "model-2-0", "model-2-1"]
