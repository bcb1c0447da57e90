"""Events of recorded histories, compared with golden lists, and of history events that the tests construct."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType as HistoryType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from activities.payload_types import MODEL_ACTIVITY, ModelCall, ModelReply, tool_activity_id
from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from agentkit.interfaces import ModelResponse, ToolContext
from agentkit.messages import Message, ToolCall, Usage
from agentkit.runtime.calls.tool_results import MAX_RESULT_CHARS
from api.events.event import EVENT_TYPES, LIVE_TYPES, Event
from api.events.history_decoder import LOCAL_ACTIVITY, DecodedEvent
from api.events.history_mapper import HistoryMapper
from tests.unit.api.events.golden import (
    GOLDEN,
    RECORDED,
    RECORDED_HERE,
    RUN_ID,
    events_of,
    golden_lines,
    read_history,
)
from workflows.listing.journal import ParsedCallEntry, PlanEntry, RefusedCallEntry

CLOSING_TYPES = {"task.completed", "task.failed", "task.cancelled"}


def field_of(event: Event, *path: str) -> Any:
    """Return a field of an event's JSON."""
    value = json.loads(event.json)
    for key in path:
        value = value[key]
    return value


def of_type(events: list[Event], *types: str) -> list[Event]:
    return [event for event in events if event.type in types]


@pytest.mark.parametrize("name", RECORDED_HERE)
async def test_a_recorded_history_has_the_events_of_its_golden_list(name: str) -> None:
    expected = (GOLDEN / f"{name}.jsonl").read_text().splitlines()
    assert await golden_lines(name) == expected


def test_each_golden_list_has_a_recorded_history() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(RECORDED_HERE)


@pytest.mark.parametrize("name", RECORDED)
async def test_positions_increase_and_the_closing_event_is_the_last(name: str) -> None:
    events = await events_of(read_history(name))
    positions = [(event.position.event_id, event.position.index) for event in events if event.position]
    assert len(positions) == len(events)
    assert positions == sorted(set(positions))
    assert of_type(events, *CLOSING_TYPES) == ([] if f"{name}_2" in RECORDED else events[-1:])


@pytest.mark.parametrize("name", RECORDED)
async def test_each_started_tool_call_ends_once_with_the_id_of_the_models_message(name: str) -> None:
    events = await events_of(read_history(name))
    started = [field_of(event, "call", "id") for event in of_type(events, "tool.started")]
    ended = [field_of(event, "result", "call_id") for event in of_type(events, "tool.completed", "tool.failed")]
    requested = {
        part["id"]
        for event in of_type(events, "model.completed")
        for part in field_of(event, "message", "parts")
        if part["type"] == "tool_call"
    }
    assert len(set(ended)) == len(ended)
    assert set(started) <= set(ended)
    assert requested <= set(ended)


async def test_recorded_histories_have_events_of_every_durable_type() -> None:
    types = {event.type for name in RECORDED for event in await events_of(read_history(name))}
    assert types == set(EVENT_TYPES) - set(LIVE_TYPES)


async def test_a_run_after_continue_as_new_does_not_start_the_task_again() -> None:
    first, second = [await events_of(read_history(name)) for name in ("continue_as_new", "continue_as_new_2")]
    assert [event.type for event in first[:2]] == ["task.status", "task.started"]
    assert of_type(second, "task.started") == []
    last_step, next_step = first[-1].step, second[0].step
    assert last_step is not None
    assert next_step == last_step + 1


async def test_the_closing_event_has_steps_and_usage() -> None:
    (completed,) = of_type(await events_of(read_history("plan")), "task.completed")
    assert completed.data["steps"] == 3
    assert field_of(completed, "usage", "model_calls") == 3


def result_payload(history: WorkflowHistory, index: int) -> Payload:
    """Return the result of the completed activity ``index``, to be modified."""
    completed = [each for each in history.events if each.HasField("activity_task_completed_event_attributes")]
    payload: Payload = completed[index].activity_task_completed_event_attributes.result.payloads[0]
    return payload


async def test_a_tool_result_is_bounded_as_it_is_for_the_model() -> None:
    history = read_history("plan")
    result_payload(history, 2).data = json.dumps("x" * 3 * MAX_RESULT_CHARS).encode()
    (completed,) = of_type(await events_of(history), "tool.completed")
    assert len(field_of(completed, "result", "content")) <= MAX_RESULT_CHARS
    assert "left out here" in str(completed.data["result"])


async def test_an_offloaded_payload_is_read_from_payload_storage(tmp_path: Path) -> None:
    history = read_history("plan")
    converter = data_converter(Settings(data_dir=tmp_path, payload_threshold_bytes=1))
    (stored,) = await converter.encode(["from a file"])
    result_payload(history, 2).CopyFrom(stored)
    (completed,) = of_type(await events_of(history, data_dir=tmp_path), "tool.completed")
    assert field_of(completed, "result", "content") == "from a file"


@pytest.mark.parametrize("activity", range(4), ids=["plan", "tool call", "tool", "final response"])
async def test_an_undecodable_result_is_noted_and_loses_no_other_event(activity: int) -> None:
    intact = await events_of(read_history("plan"))
    history = read_history("plan")
    result_payload(history, activity).data = b"\xff no JSON"
    events = await events_of(history)
    (damaged,) = [event for event in events if "unreadable" in event.data]
    assert damaged.type == ("tool.completed" if activity == 2 else "model.completed")
    assert [event.type for event in events] == [event.type for event in intact]
    assert [event.data for event in events if event is not damaged] == [
        event.data for event in intact if event.position != damaged.position
    ]


async def test_an_undecodable_journal_loses_only_its_own_events() -> None:
    intact = await events_of(read_history("plan"))
    history = read_history("plan")
    for event in history.events:
        if "journal" in event.workflow_properties_modified_event_attributes.upserted_memo.fields:
            event.workflow_properties_modified_event_attributes.upserted_memo.fields["journal"].data = b"\xff"
    assert await events_of(history) == [event for event in intact if event.type != "plan.updated"]


async def test_an_invalid_task_input_loses_only_agent_and_input() -> None:
    history = read_history("refused_and_parallel_calls")
    intact = await events_of(read_history("refused_and_parallel_calls"))
    history.events[0].workflow_execution_started_event_attributes.input.payloads[0].data = b"{}"
    events = await events_of(history)
    assert [event.type for event in events] == [event.type for event in intact]
    assert "agent" not in events[1].data
    assert events[-1] == intact[-1]


# History events that the tests construct.

_Value = BaseModel | JsonValue
AT = datetime(2026, 11, 21, 20, 0, 0, tzinfo=UTC)


class MappedRun:
    """History events of a run in step 1, whose model has responded with ``calls``."""

    def __init__(self, *calls: ToolCall) -> None:
        self.mapper = HistoryMapper("task", RUN_ID)
        self._event_id = 0
        call = ModelCall(step=1, agent_hash="", model="demo:m", end=1, digest="")
        self.schedule("model-1-0", MODEL_ACTIVITY, call)
        message = Message(role="assistant", parts=calls)
        response = ModelResponse(message=message, stop_reason="tool_calls", usage=Usage())
        self.complete(1, ModelReply(response=response))

    def map(self, event: HistoryEvent, *values: _Value, **decoded: Any) -> list[Event]:
        self._event_id += 1
        event.event_id = self._event_id
        event.event_time.FromDatetime(AT)
        data = tuple(value.model_dump(mode="json") if isinstance(value, BaseModel) else value for value in values)
        return self.mapper.map(DecodedEvent(event, data, **decoded))

    def schedule(self, activity_id: str, activity_type: str, *values: _Value, **decoded: Any) -> list[Event]:
        event = HistoryEvent(event_type=HistoryType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        event.activity_task_scheduled_event_attributes.activity_id = activity_id
        event.activity_task_scheduled_event_attributes.activity_type.name = activity_type
        return self.map(event, *values, **decoded)

    def complete(self, scheduled_event_id: int, *values: _Value) -> list[Event]:
        event = HistoryEvent(event_type=HistoryType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
        event.activity_task_completed_event_attributes.scheduled_event_id = scheduled_event_id
        return self.map(event, *values)

    def journal(self, *entries: _Value) -> list[Event]:
        data = [entry.model_dump(mode="json") if isinstance(entry, BaseModel) else entry for entry in entries]
        return self.map(HistoryEvent(event_type=HistoryType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED), data)

    def local_activity(self, activity_id: str, activity_type: str, *values: JsonValue, **decoded: Any) -> list[Event]:
        event = HistoryEvent(event_type=HistoryType.EVENT_TYPE_MARKER_RECORDED)
        event.marker_recorded_event_attributes.marker_name = LOCAL_ACTIVITY
        data: JsonValue = {"activity_id": activity_id, "activity_type": activity_type, "attempt": 1, "backoff": None}
        return self.map(event, *values, local_activity=data, **decoded)


HALF = ToolCall(id="a", name="half", arguments={"number": 4})


def test_a_local_activity_gets_its_call_from_the_models_message() -> None:
    started, completed = MappedRun(HALF).local_activity("a", "tool.half", 2)
    assert (started.type, field_of(started, "call", "arguments")) == ("tool.started", {"number": 4})
    assert (completed.type, field_of(completed, "result", "call_id")) == ("tool.completed", "a")
    assert completed.step == 1


def test_a_local_activity_gets_its_call_from_the_journal_where_the_message_has_none() -> None:
    run = MappedRun()
    assert run.journal(ParsedCallEntry(step=1, call=HALF)) == []
    started, _ = run.local_activity("a", "tool.half", 2)
    assert field_of(started, "call") == HALF.model_dump(mode="json", exclude_none=True)


def test_a_local_activity_of_an_unknown_call_has_no_arguments() -> None:
    started, _ = MappedRun().local_activity("b", "tool.half", 2)
    assert field_of(started, "call") == {"type": "tool_call", "id": "b", "name": "half", "arguments": {}}


def test_a_call_whose_id_temporal_refuses_is_found_by_its_activity_id() -> None:
    call = ToolCall(id="ü" * 300, name="half", arguments={"number": 4})
    started, _ = MappedRun(call).local_activity(tool_activity_id(call.id), "tool.half", 2)
    assert field_of(started, "call", "id") == call.id


def test_a_local_activity_that_will_be_retried_has_no_events() -> None:
    event = HistoryEvent(event_type=HistoryType.EVENT_TYPE_MARKER_RECORDED)
    event.marker_recorded_event_attributes.marker_name = LOCAL_ACTIVITY
    data: JsonValue = {"activity_id": "a", "activity_type": "tool.half", "attempt": 1, "backoff": {"seconds": 5}}
    assert MappedRun(HALF).map(event, local_activity=data) == []


def test_other_activities_and_markers_have_no_events() -> None:
    run = MappedRun(HALF)
    assert run.local_activity("x", "something_else", 2) == []
    assert run.schedule("y", "something_else") == []
    version = HistoryEvent(event_type=HistoryType.EVENT_TYPE_MARKER_RECORDED)
    version.marker_recorded_event_attributes.marker_name = "core_patch"
    assert run.map(version) == []


def test_a_remote_call_has_the_arguments_and_the_step_of_its_activity() -> None:
    context = ToolContext(task_id="task", call_id="a", idempotency_key="task/a", step=7)
    run = MappedRun(HALF)
    (started,) = run.schedule("a", "tool.half", {"number": 6}, context)
    assert (field_of(started, "call", "arguments"), started.step) == ({"number": 6}, 7)
    assert run.mapper.pending.keys() == {"a"}


def test_a_remote_call_with_an_undecodable_input_is_the_call_of_the_message() -> None:
    run = MappedRun(HALF)
    (started,) = run.schedule("a", "tool.half", unreadable="lost")
    assert field_of(started, "call", "arguments") == {"number": 4}
    assert (started.data["unreadable"], started.step) == ("lost", 1)
    (completed,) = run.complete(3, 2)
    assert field_of(completed, "result", "call_id") == "a"


@pytest.mark.parametrize(
    ("entry", "arguments"),
    [
        pytest.param(ToolCall(id="a", name="half"), {"number": 4}, id="of the message"),
        pytest.param(ToolCall(id="b", name="half", arguments={"number": 8}), {"number": 8}, id="of the journal"),
        pytest.param(ToolCall(id="b", name="half"), {}, id="of neither"),
    ],
)
def test_a_refused_call_fails_with_its_arguments_and_the_text_for_the_model(
    entry: ToolCall, arguments: dict[str, int]
) -> None:
    (failed,) = MappedRun(HALF).journal(RefusedCallEntry(step=1, call=entry, message="Not called: no."))
    assert (failed.type, failed.step) == ("tool.failed", 1)
    assert field_of(failed, "error") == {"type": "NotCalled", "message": "Not called: no."}
    assert field_of(failed, "call", "arguments") == arguments
    result = {"call_id": entry.id, "name": "half", "content": "Not called: no.", "is_error": True}
    assert result.items() <= field_of(failed, "result").items()
    assert "decided_by" not in field_of(failed)


def test_a_call_that_the_policy_denies_fails_with_the_rule_that_decided() -> None:
    entry = RefusedCallEntry(
        step=1, call=ToolCall(id="a", name="half"), message="Not called: no.", decided_by="policy rule 2"
    )
    (failed,) = MappedRun(HALF).journal(entry)
    assert field_of(failed, "decided_by") == "policy rule 2"


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([{"type": "a_later_release", "step": 1}], id="unknown type"),
        pytest.param([{"type": "plan_updated"}], id="invalid fields"),
        pytest.param([None, 5, "text"], id="no objects"),
    ],
)
def test_journal_entries_that_this_release_does_not_know_are_skipped(entries: Sequence[JsonValue]) -> None:
    plan = PlanEntry(step=1, plan=("double it",))
    (updated,) = MappedRun().journal(*entries, plan)
    assert (updated.type, updated.data) == ("plan.updated", {"plan": ["double it"]})


@pytest.mark.parametrize("listed", [[{"id": "input_1", "kind": "of a later release"}], [None], "text", None])
def test_a_request_that_this_release_cannot_read_is_an_event_with_its_id(listed: JsonValue) -> None:
    event = HistoryEvent(event_type=HistoryType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED)
    entry: JsonValue = {"type": "input_requested", "step": 1, "input_request_id": "input_1"}
    (requested,) = MappedRun().map(event, [entry], listed)
    assert (requested.type, requested.data) == ("input.requested", {"input_request": {"id": "input_1"}})


@pytest.mark.parametrize("value", [None, {}, "text", 5])
def test_a_journal_that_is_no_list_has_no_events(value: JsonValue) -> None:
    event = HistoryEvent(event_type=HistoryType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED)
    assert MappedRun().map(event, value) == []
    assert MappedRun().map(event) == []
