from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.llm.shared.tool_parameters import is_plain_object, object_parameters

A: dict[str, JsonValue] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
B: dict[str, JsonValue] = {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}
ALTERNATIVES: list[JsonValue] = [B, {"required": ["a"]}]
BOTH = {**A["properties"], **B["properties"]}  # type: ignore[dict-item]  # objects, as above


def test_a_plain_object_stays_as_it_is() -> None:
    assert object_parameters(A) == A


@pytest.mark.parametrize(
    "schema", [{"type": "object"}, {"properties": {}}, {}, {"type": "object", "properties": None}, {"type": "string"}]
)
def test_an_object_always_has_a_type_and_properties(schema: dict[str, JsonValue]) -> None:
    assert object_parameters(schema) == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"anyOf": [A, B]}, {"type": "object", "properties": BOTH}, id="anyOf"),
        pytest.param({"type": "object", "oneOf": [A, B]}, {"type": "object", "properties": BOTH}, id="oneOf"),
        pytest.param(
            {"allOf": [A, B]}, {"type": "object", "properties": BOTH, "required": ["a", "b"]}, id="allOf"
        ),
        pytest.param(
            {**A, "anyOf": ALTERNATIVES},
            {"type": "object", "properties": BOTH, "required": ["a"]},
            id="an object with alternatives",
        ),
        pytest.param({"$ref": "#/$defs/A", "$defs": {"A": A}}, {**A, "$defs": {"A": A}}, id="a reference"),
        pytest.param({"$ref": "#"}, {"type": "object", "properties": {}}, id="a reference to itself"),
        pytest.param(
            {**A, "if": B, "then": B, "description": "x"}, {**A, "description": "x"}, id="conditions"
        ),
    ],
)  # fmt: skip
def test_other_schemas_become_an_object_with_all_their_properties(
    schema: dict[str, JsonValue], expected: dict[str, JsonValue]
) -> None:
    assert not is_plain_object(schema)
    assert object_parameters(schema) == expected
