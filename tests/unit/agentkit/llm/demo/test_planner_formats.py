from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from agentkit.llm.demo.planner_formats import final_action, is_plan, plan_text

PLAN: dict[str, JsonValue] = {"properties": {"steps": {"items": {"type": "string"}}}}
ACTION: dict[str, JsonValue] = {
    "properties": {"action": {"anyOf": [{}, {"properties": {"name": {"enum": ["finish"]}}}]}},
}


def test_steps_are_written_as_the_plan_that_the_schema_describes() -> None:
    text = plan_text(PLAN, ["a", "b"])
    assert text is not None
    assert json.loads(text) == {"steps": ["a", "b"]}
    assert is_plan(text, ["a", "b"])
    assert not is_plan(text, ["a"])


@pytest.mark.parametrize(
    "schema", [None, {}, {"properties": {"a": {}, "b": {}}}, {"properties": {"a": {"type": "string"}}}]
)
def test_another_schema_is_not_that_of_a_plan(schema: dict[str, JsonValue] | None) -> None:
    assert plan_text(schema, ["a"]) is None


def test_an_answer_ends_a_react_task_in_the_form_of_its_schema() -> None:
    action = json.loads(final_action(ACTION, "42"))
    assert action["action"] == {"name": "finish", "arguments": {"answer": "42"}}


@pytest.mark.parametrize("schema", [None, PLAN, {"properties": {"action": {"anyOf": []}}}, {"properties": "no object"}])
def test_without_such_a_schema_an_answer_stays_as_it_is(schema: dict[str, JsonValue] | None) -> None:
    assert final_action(schema, "42") == "42"
