from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from agentkit.input_requests import InputRequest, answer_example, arguments_sha256, call_sha256
from agentkit.specs import ToolSpec

PAY = ToolSpec(name="pay", description="Pay.", parameters={"type": "object"})


def test_the_hash_of_arguments_does_not_depend_on_the_order_of_keys_at_any_depth() -> None:
    one: JsonValue = {"x": 1, "y": [1, {"b": 2, "c": 3}]}
    other: JsonValue = {"y": [1, {"c": 3, "b": 2}], "x": 1}
    assert arguments_sha256({"a": one, "z": 0}) == arguments_sha256({"z": 0, "a": other})
    assert arguments_sha256({"a": [1, 2]}) != arguments_sha256({"a": [2, 1]})
    assert arguments_sha256({"a": "1"}) != arguments_sha256({"a": 1})
    assert len(arguments_sha256({"a": "\ud800"})) == 64, "lone surrogates, too"


def test_an_approval_is_for_one_definition_of_the_tool_and_one_set_of_arguments() -> None:
    hashes = {
        call_sha256(PAY, {"cents": 1}),
        call_sha256(PAY, {"cents": 2}),
        call_sha256(PAY.model_copy(update={"description": "Pay!"}), {"cents": 1}),
        call_sha256(PAY.model_copy(update={"effect": "pure"}), {"cents": 1}),
        call_sha256(PAY.model_copy(update={"parameters": {}}), {"cents": 1}),
    }
    assert len(hashes) == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ({"type": "string"}, "YOUR ANSWER"),
        ({"type": "string", "enum": ["a", "b"]}, "a"),
        ({"type": "string", "default": "x"}, "x"),
        ({"const": 7}, 7),
        ({"type": "boolean"}, True),
        ({"type": "integer", "minimum": 18}, 18),
        ({"type": "number"}, 1),
        ({"type": "array"}, []),
        ({"type": "object"}, {}),
        (True, "YOUR ANSWER"),
    ],
)
def test_the_example_of_an_answer_to_a_form_has_each_field(field: JsonValue, value: JsonValue) -> None:
    schema: JsonValue = {"type": "object", "properties": {"x": field}}
    asked = InputRequest.model_validate(
        {"id": "input_1", "kind": "elicitation", "step": 1, "message": "?", "schema": schema}
        | {"opened_at": datetime(2026, 11, 27, tzinfo=UTC)}
    )

    assert json.loads(answer_example(asked))["answer"] == {"x": value}
    page = asked.model_copy(update={"answer_schema": None, "url": "https://a.example"})
    assert "answer" not in json.loads(answer_example(page))
