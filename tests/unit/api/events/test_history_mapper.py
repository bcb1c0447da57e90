"""What recorded histories tell: golden lists, and what holds of all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory

from activities.settings import Settings
from activities.temporal.client import data_converter
from agentkit.runtime.tool_results import MAX_RESULT_CHARS
from api.events.event import EVENT_TYPES, LIVE_TYPES, Event
from tests.unit.api.events.golden import GOLDEN, RECORDED, RECORDED_HERE, events_of, history_of, told

ENDINGS = {"task.completed", "task.failed", "task.cancelled"}


def dig(event: Event, *path: str) -> Any:
    """Return a part of what a client gets."""
    found = json.loads(event.json)
    for key in path:
        found = found[key]
    return found


def of_type(events: list[Event], *types: str) -> list[Event]:
    return [event for event in events if event.type in types]


@pytest.mark.parametrize("name", RECORDED_HERE)
async def test_a_history_tells_its_golden_list(name: str) -> None:
    expected = (GOLDEN / f"{name}.jsonl").read_text().splitlines()
    assert await told(name) == expected


def test_there_is_a_history_for_each_golden_list() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(RECORDED_HERE)


@pytest.mark.parametrize("name", RECORDED)
async def test_positions_rise_and_nothing_follows_an_ending(name: str) -> None:
    events = await events_of(history_of(name))
    places = [(event.position.event_id, event.position.index) for event in events if event.position]
    assert len(places) == len(events)
    assert places == sorted(set(places))
    assert of_type(events, *ENDINGS) == ([] if name == "continue_as_new" else events[-1:])


@pytest.mark.parametrize("name", RECORDED)
async def test_each_call_that_started_is_told_the_end_of_once(name: str) -> None:
    events = await events_of(history_of(name))
    started = [dig(event, "call", "id") for event in of_type(events, "tool.started")]
    ended = [dig(event, "result", "call_id") for event in of_type(events, "tool.completed", "tool.failed")]
    assert len(set(ended)) == len(ended)
    assert set(started) <= set(ended)


async def test_every_durable_type_is_told_in_some_history() -> None:
    seen = {event.type for name in RECORDED for event in await events_of(history_of(name))}
    assert seen == set(EVENT_TYPES) - set(LIVE_TYPES)


async def test_a_part_after_continue_as_new_doesn_t_start_the_task_again() -> None:
    first, second = [await events_of(history_of(name)) for name in ("continue_as_new", "continue_as_new_2")]
    assert [event.type for event in first[:2]] == ["task.status", "task.started"]
    assert of_type(second, "task.started") == []
    last_step, next_step = first[-1].step, second[0].step
    assert last_step is not None
    assert next_step == last_step + 1


async def test_the_end_tells_what_was_spent() -> None:
    (ending,) = of_type(await events_of(history_of("plan")), "task.completed")
    assert ending.data["steps"] == 3
    assert dig(ending, "usage", "model_calls") == 3


def result_of(history: WorkflowHistory, activity: int) -> Payload:
    """Return the result of an activity, to be changed."""
    completed = [one for one in history.events if one.HasField("activity_task_completed_event_attributes")]
    payload: Payload = completed[activity].activity_task_completed_event_attributes.result.payloads[0]
    return payload


async def test_a_result_is_told_as_the_model_sees_it() -> None:
    history = history_of("plan")
    result_of(history, 2).data = json.dumps("x" * 3 * MAX_RESULT_CHARS).encode()
    (completed,) = of_type(await events_of(history), "tool.completed")
    assert len(dig(completed, "result", "content")) <= MAX_RESULT_CHARS
    assert "left out here" in str(completed.data["result"])


async def test_an_offloaded_payload_is_read_from_where_it_lies(tmp_path: Path) -> None:
    history = history_of("plan")
    converter = data_converter(Settings(data_dir=tmp_path, payload_threshold_bytes=1))
    (stored,) = await converter.encode(["from a file"])
    result_of(history, 2).CopyFrom(stored)
    (completed,) = of_type(await events_of(history, data_dir=tmp_path), "tool.completed")
    assert dig(completed, "result", "content") == "from a file"


@pytest.mark.parametrize("activity", range(4), ids=["plan", "calls", "tool", "answer"])
async def test_what_can_t_be_read_is_said_and_stops_nothing(activity: int) -> None:
    whole = await events_of(history_of("plan"))
    history = history_of("plan")
    result_of(history, activity).data = b"\xff no JSON"
    events = await events_of(history)
    (damaged,) = [event for event in events if "unreadable" in event.data]
    assert damaged.type == ("tool.completed" if activity == 2 else "model.completed")
    assert len(events) == len(whole) - (activity == 0), "only the plan itself is unknown"
    assert events[-1].type == "task.completed"


async def test_a_task_whose_input_can_t_be_read_is_told_nevertheless() -> None:
    history = history_of("refused_and_parallel_calls")
    history.events[0].workflow_execution_started_event_attributes.input.payloads[0].data = b"{}"
    events = await events_of(history)
    assert events[1].type == "task.started"
    assert [event.type for event in of_type(events, "tool.failed")] == ["tool.failed"]
    assert events[-1].type == "task.completed"
