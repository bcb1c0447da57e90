from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.llm.anthropic.output_schema import claude_schema

TEXT: dict[str, JsonValue] = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(
            {"type": "object", "properties": {"a": TEXT}, "$schema": "x"},
            {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
            id="objects are closed",
        ),
        pytest.param(
            {"type": "integer", "minimum": 1, "description": "Age."},
            {"type": "integer", "description": "Age. (minimum: 1)"},
            id="what isn't enforced moves to the description",
        ),
        pytest.param(
            {"type": ["string", "null"], "maxLength": 3},
            {"anyOf": [{"type": "string", "description": "(maxLength: 3)"}, {"type": "null"}]},
            id="several types",
        ),
        pytest.param({"type": ["string", "null"], "enum": ["a", None]}, {"enum": ["a", None]}, id="an enum, untyped"),
        pytest.param({"oneOf": [TEXT]}, {"anyOf": [TEXT]}, id="oneOf"),
        pytest.param({"type": "array", "items": TEXT, "minItems": 1}, {"type": "array", "items": TEXT, "minItems": 1},
                     id="a list"),
        pytest.param({"type": "string", "format": "date"}, {"type": "string", "format": "date"}, id="a known format"),
        pytest.param({"type": "string", "format": "iban"}, {"type": "string", "description": '(format: "iban")'},
                     id="an unknown format"),
        pytest.param({"$ref": "#/$defs/a", "$defs": {"a": TEXT}}, {"$ref": "#/$defs/a", "$defs": {"a": TEXT}},
                     id="a reference"),
    ],
)  # fmt: skip
def test_a_schema_is_converted_to_the_subset(schema: dict[str, JsonValue], expected: dict[str, JsonValue]) -> None:
    assert claude_schema(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "object"}, id="any object"),
        pytest.param({"type": "object", "additionalProperties": TEXT}, id="a map"),
        pytest.param({"type": "object", "properties": {"a": TEXT}, "additionalProperties": True}, id="an open object"),
        pytest.param({"type": "object", "properties": {"a": {}}}, id="any value inside"),
        pytest.param({"type": "array", "items": True}, id="any value in a list"),
        pytest.param({}, id="anything"),
    ],
)
def test_an_open_schema_is_not_in_the_subset(schema: dict[str, JsonValue]) -> None:
    assert claude_schema(schema) is None
