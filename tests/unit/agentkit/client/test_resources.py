"""The API's objects, as the client parses them."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from agentkit.client import AgentList, MessageList, Task
from agentkit.client.resources import TaskStatus
from agentkit.messages import TextPart
from tests.unit.scripted_api import task

FINAL = {"completed", "failed", "cancelled", "terminated", "timed_out"}


@pytest.mark.parametrize("status", get_args(TaskStatus))
def test_final_statuses_are_ended(status: str) -> None:
    assert Task.from_json(task(status)).ended == (status in FINAL)


def test_unknown_fields_are_kept_in_the_raw_object() -> None:
    received = Task.from_json(task(of_tomorrow=[1]))

    assert received.raw["of_tomorrow"] == [1]
    assert "raw" not in received.model_dump()


def test_an_input_of_several_parts_is_typed() -> None:
    assert Task.from_json(task(input=[{"type": "text", "text": "Look."}])).input == (TextPart(text="Look."),)


def test_lists_hold_typed_items() -> None:
    messages = MessageList.from_json({"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]})
    agents = AgentList.from_json({"agents": [{"name": "a", "problem": "needs a key"}], "problems": ["bad.yaml"]})

    assert messages.messages[0].text == "Hi"
    assert (agents.agents[0].problem, agents.problems) == ("needs a key", ("bad.yaml",))


@pytest.mark.parametrize("value", [["a list"], "text", {"id": "task-1"}], ids=["list", "text", "fields missing"])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Task.from_json(value)
