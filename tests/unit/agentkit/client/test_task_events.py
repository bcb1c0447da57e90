"""What the API tells of a task, read as typed events, and the answer in progress pieced together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentkit.client import (
    Lost,
    ModelCompleted,
    ModelFailed,
    StreamedAnswer,
    TaskEvent,
    ToolCompleted,
    Update,
)
from agentkit.client.task_events import read_event
from api.events.event import EVENT_TYPES

GOLDEN = sorted((Path(__file__).parents[2] / "api" / "events" / "golden").glob("*.jsonl"))


def event(kind: str, /, **data: Any) -> TaskEvent:
    return read_event(json.dumps({"type": kind, "task_id": "t", "at": "2026-11-21T20:00:00Z", "step": 1, **data}), None)


def said(*updates: Update) -> tuple[str, str, bool]:
    """Return text and thought after these, and whether the answer is finished."""
    answer = StreamedAnswer()
    for update in updates:
        answer.take(update)
    return answer.text, answer.thinking, answer.finished


def delta(text: str, kind: str = "text") -> TaskEvent:
    return event("model.delta", text=text, kind=kind)


STARTED = event("model.started", model="demo:demo")
MESSAGE = {"role": "assistant", "parts": [{"type": "thinking", "text": "So."}, {"type": "text", "text": "It is 42"}]}


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_every_recorded_event_is_read_as_its_own_class_and_kept_as_it_came(golden: Path) -> None:
    for line in golden.read_text().splitlines():
        position, _, data = line.partition(" ")
        read = read_event(data, position)
        assert type(read) is not TaskEvent, read.type
        assert read.document == json.loads(data)
        assert (read.position, read.last) == (position, read.type in ENDS)


ENDS = {"task.completed", "task.failed", "task.cancelled"}
PAYLOADS: dict[str, dict[str, Any]] = {
    "task.status": {"status": "running"},
    "model.delta": {"text": "Let"},
    "model.retrying": {"attempt": 2},
    "tool.retrying": {"attempt": 2},
}


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_client_knows_every_type_that_the_api_tells(kind: str) -> None:
    call = {"type": "tool_call", "id": "c", "name": "n"}
    result = {"type": "tool_result", "call_id": "c", "name": "n", "content": ""}
    payload = {"model": "demo:demo", "call": call, "result": result, **PAYLOADS.get(kind, {})}

    assert type(event(kind, **payload)) is not TaskEvent


def test_a_type_of_tomorrow_is_an_event_all_the_same() -> None:
    read = event("agent.handoff", to="researcher")

    assert (type(read), read.type, read.document["to"]) == (TaskEvent, "agent.handoff", "researcher")


@pytest.mark.parametrize("data", ["[]", "nothing", '{"type": "task.status"}'], ids=["a list", "no JSON", "fields lack"])
def test_what_is_no_event_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_event(data, None)


def test_payloads_that_the_api_could_not_read_are_none_with_the_reason() -> None:
    completed = event("model.completed", model="demo:demo", unreadable="FileNotFoundError: gone")

    assert isinstance(completed, ModelCompleted)
    assert (completed.message, completed.unreadable) == (None, "FileNotFoundError: gone")


def test_fields_are_typed() -> None:
    error = {"type": "ModelUnavailable", "message": "busy", "status": 529}
    result = {"type": "tool_result", "call_id": "c", "name": "n", "content": "x" * 9}

    failed, done = event("model.failed", model="m", error=error, attempts=3), event("tool.completed", result=result)

    assert isinstance(failed, ModelFailed)
    assert (failed.error.status, failed.attempts, failed.step) == (529, 3, 1)
    assert isinstance(done, ToolCompleted)
    assert done.result.content == "x" * 9


@pytest.mark.parametrize(
    ("updates", "expected"),
    [
        ([delta("It "), delta("is")], ("It is", "", False)),
        ([delta("Hm", "thinking"), delta("{", "tool_arguments"), delta("It")], ("It", "Hm", False)),
        ([delta("I th"), event("model.reset"), delta("It is")], ("It is", "", False)),
        ([delta("It "), Lost("gone")], ("", "", False)),
        ([delta("It "), event("model.failed", model="m")], ("", "", False)),
        ([delta("It"), event("model.completed", model="m", message=MESSAGE)], ("It is 42", "So.", True)),
        ([delta("It is"), event("model.completed", model="m")], ("It is", "", True)),
        ([delta("It is"), event("model.completed", model="m"), STARTED], ("", "", False)),
    ],
    ids=["pieces", "kinds", "reset", "lost", "failed", "completed", "unreadable", "next step"],
)
def test_an_answer_in_progress_is_pieced_together(updates: Sequence[Update], expected: tuple[str, str, bool]) -> None:
    assert said(STARTED, *updates) == expected
