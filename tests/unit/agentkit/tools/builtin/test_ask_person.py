from __future__ import annotations

from typing import Any

import pytest

from agentkit.errors import ToolArgumentsInvalid, ToolError
from agentkit.interfaces import ASK_PERSON, ToolContext
from agentkit.tools.builtin.ask_person import ask_person_tool

CONTEXT = ToolContext(task_id="t1", call_id="c1", idempotency_key="t1/c1", step=1)


def test_it_is_a_pure_tool_of_its_own_name() -> None:
    spec = ask_person_tool().spec
    assert (spec.name, spec.effect, spec.approval) == (ASK_PERSON, "pure", None)
    assert "Ask\none question at a time" in spec.description


async def test_a_call_that_reaches_the_tool_says_that_nobody_was_asked() -> None:
    arguments: dict[str, Any] = {"question": "Red or blue?", "choices": ["red", "blue"], "schema": None}
    with pytest.raises(ToolError, match="Nobody was asked: a task's workflow asks people"):
        await ask_person_tool().call(arguments, CONTEXT)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({}, "question"),
        ({"question": ""}, "question"),
        ({"question": "x" * 4_001}, "question"),
        ({"question": "?", "choices": ["only one"]}, "choices"),
        ({"question": "?", "choices": [str(number) for number in range(21)]}, "choices"),
        ({"question": "?", "choices": ["a", "b" * 501]}, r"choices\.1"),
        ({"question": "?", "schema": "a form"}, "schema"),
    ],
    ids=["none", "empty", "long", "one choice", "many choices", "long choice", "no schema"],
)
async def test_arguments_are_bounded(arguments: dict[str, Any], place: str) -> None:
    with pytest.raises(ToolArgumentsInvalid, match=f"- {place}: "):
        await ask_person_tool().call(arguments, CONTEXT)
