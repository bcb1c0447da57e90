"""``opspawn tools`` against a scripted API."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import JsonObject, ScriptedApi

EXPRESSION = {"type": "string", "description": "Such as 6*7."}
CALCULATOR: JsonObject = {
    "name": "calculator",
    "description": "Work out an arithmetic expression. It knows the usual operators and functions, and exact integers.",
    "parameters": {"type": "object", "properties": {"expression": EXPRESSION}, "required": ["expression"]},
    "effect": "pure",
    "timeout": 10,
    "fast": True,
}
CLOCK: JsonObject = {"name": "clock", "description": "Tell the time.", "parameters": {}, "effect": "irreversible"}


@pytest.fixture(autouse=True)
def tools_of_the_api(api: ScriptedApi) -> None:
    api.on("GET", "/tools", {"tools": [CALCULATOR, CLOCK]})


def test_tools_are_listed_with_their_effects(opspawn: Opspawn) -> None:
    lines = opspawn("tools").out.splitlines()

    assert lines[0].split() == ["TOOL", "EFFECT", "DESCRIPTION"]
    assert lines[1].startswith("calculator  pure          Work out an arithmetic expression.")
    assert lines[2] == "clock       irreversible  Tell the time."


def test_a_tool_is_shown_with_its_description_effect_timeout_and_arguments(opspawn: Opspawn) -> None:
    result = opspawn("tools", "calculator")

    assert result.code == 0
    assert result.out.splitlines() == [
        "calculator",
        CALCULATOR["description"],
        "effect     pure: it changes nothing, so a call may be repeated",
        "timeout    10 s for a call",
        "arguments",
        "  expression  string, required",
        "    Such as 6*7.",
    ]


def test_a_tool_without_arguments_is_shown_as_such(opspawn: Opspawn) -> None:
    lines = opspawn("tools", "clock").out.splitlines()

    assert lines[2].startswith("effect     irreversible: a call is never repeated, and needs approval")
    assert lines[-1] == "arguments  none"


def test_a_tool_of_another_program_is_shown_with_the_queue_that_serves_it(opspawn: Opspawn, api: ScriptedApi) -> None:
    api.on("GET", "/tools", {"tools": [{**CLOCK, "task_queue": "time"}]})
    lines = opspawn("tools", "clock").out.splitlines()
    assert "served     by workers of task queue 'time' that have the activity tool.clock" in lines


def test_a_tool_fits_40_columns(opspawn: Opspawn, set_width: Callable[[int], None]) -> None:
    set_width(40)

    lines = [*opspawn("tools").out.splitlines(), *opspawn("tools", "calculator").out.splitlines()]

    assert max(map(len, lines)) <= 40


def test_json_is_what_the_api_sent(opspawn: Opspawn) -> None:
    assert json.loads(opspawn("tools", "--json").out) == {"tools": [CALCULATOR, CLOCK]}
    assert json.loads(opspawn("tools", "clock", "--json").out) == CLOCK


def test_an_unknown_tool_exits_with_2_and_the_name_that_was_probably_meant(opspawn: Opspawn) -> None:
    result = opspawn("tools", "calculater")

    assert result.code == 2
    assert result.err == "There is no tool 'calculater'. Did you mean 'calculator'? Tools: calculator, clock"
