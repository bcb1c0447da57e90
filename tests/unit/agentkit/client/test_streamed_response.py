"""A model's response, assembled from deltas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from agentkit.client import ConnectionLost, StreamedResponse, TaskEvent, TaskUpdate
from agentkit.client.task_events import parse_event


def event(kind: str, /, **data: Any) -> TaskEvent:
    return parse_event(
        json.dumps({"type": kind, "task_id": "t", "at": "2026-11-21T20:00:00Z", "step": 1, **data}), None
    )


def delta(text: str, kind: str = "text") -> TaskEvent:
    return event("model.delta", text=text, kind=kind)


STARTED = event("model.started", model="demo:demo")
MESSAGE = {"role": "assistant", "parts": [{"type": "thinking", "text": "So."}, {"type": "text", "text": "It is 42"}]}


@pytest.mark.parametrize(
    ("updates", "expected"),
    [
        ([delta("It "), delta("is")], ("It is", "", False)),
        ([delta("Hm", "thinking"), delta("{", "tool_arguments"), delta("It")], ("It", "Hm", False)),
        ([delta("I th"), event("model.reset"), delta("It is")], ("It is", "", False)),
        ([delta("It "), ConnectionLost("gone")], ("", "", False)),
        ([delta("It "), event("model.failed", model="m")], ("", "", False)),
        ([delta("It"), event("model.completed", model="m", message=MESSAGE)], ("It is 42", "So.", True)),
        ([delta("It is"), event("model.completed", model="m")], ("It is", "", True)),
        ([delta("It is"), event("model.completed", model="m"), STARTED], ("", "", False)),
    ],
    ids=["deltas", "kinds", "reset", "lost", "failed", "completed", "unreadable", "next step"],
)
def test_text_and_reasoning_are_assembled(updates: Sequence[TaskUpdate], expected: tuple[str, str, bool]) -> None:
    response = StreamedResponse()
    for update in [STARTED, *updates]:
        response.apply(update)

    assert (response.text, response.thinking, response.finished) == expected
    assert response.model == "demo:demo"
