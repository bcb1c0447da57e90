"""The events of a task, parsed as typed objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentkit.client import ModelCompleted, ModelFailed, TaskEvent, ToolCompleted
from agentkit.client.task_events import parse_event
from api.events.event import EVENT_TYPES

GOLDEN = sorted((Path(__file__).parents[2] / "api" / "events" / "golden").glob("*.jsonl"))
LAST_TYPES = {"task.completed", "task.failed", "task.cancelled"}


def event(kind: str, /, **data: Any) -> TaskEvent:
    return parse_event(
        json.dumps({"type": kind, "task_id": "t", "at": "2026-11-21T20:00:00Z", "step": 1, **data}), None
    )


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_every_recorded_event_has_a_class_and_keeps_its_raw_object(golden: Path) -> None:
    for line in golden.read_text().splitlines():
        position, _, data = line.partition(" ")
        parsed = parse_event(data, position)
        assert type(parsed) is not TaskEvent, parsed.type
        assert parsed.raw == json.loads(data)
        assert (parsed.position, parsed.last) == (position, parsed.type in LAST_TYPES)


PAYLOADS: dict[str, dict[str, Any]] = {
    "task.status": {"status": "running"},
    "model.delta": {"text": "Let"},
    "model.retrying": {"attempt": 2},
    "tool.retrying": {"attempt": 2},
    "tool.progress": {"text": "half"},
    "input.requested": {
        "input_request": {
            "id": "input_1",
            "kind": "approval",
            "step": 1,
            "message": "Approve?",
            "opened_at": "2026-11-21T20:00:00Z",
        }
    },
    "input.answered": {"input_request_id": "input_1", "decision": "approve"},
    "input.rejected": {"message": "No."},
}


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_client_has_a_class_for_every_type_of_the_api(kind: str) -> None:
    call = {"type": "tool_call", "id": "c", "name": "n"}
    result = {"type": "tool_result", "call_id": "c", "name": "n", "content": ""}
    payload = {"model": "demo:demo", "call": call, "result": result, **PAYLOADS.get(kind, {})}

    assert type(event(kind, **payload)) is not TaskEvent


def test_an_unknown_type_is_a_plain_event() -> None:
    parsed = event("agent.handoff", to="researcher")

    assert (type(parsed), parsed.type, parsed.raw["to"]) == (TaskEvent, "agent.handoff", "researcher")


@pytest.mark.parametrize(
    "data", ["[]", "nothing", '{"type": "task.status"}'], ids=["a list", "no JSON", "fields missing"]
)
def test_other_data_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_event(data, None)


def test_a_payload_that_the_api_could_not_read_is_none_with_the_reason() -> None:
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
