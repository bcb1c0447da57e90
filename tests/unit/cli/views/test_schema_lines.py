"""Arguments of tools, as people read them."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from cli.views.schema_lines import argument_lines


def shown(properties: dict[str, JsonValue], **schema: JsonValue) -> list[str]:
    return [line.plain for line in argument_lines({"type": "object", "properties": properties, **schema})]


@pytest.mark.parametrize(
    ("schema", "line"),
    [
        ({"type": "string"}, "  x  string"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "  x  integer, at least 1, at most 9"),
        ({"type": ["string", "null"], "default": None}, "  x  string or null, default null"),
        ({"enum": ["a", "b"], "default": "a"}, '  x  "a" or "b", default "a"'),
        ({"const": 1}, "  x  1"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "  x  number or null"),
        ({"type": "array", "items": {"type": "string"}}, "  x  array of string"),
        ({}, "  x  any value"),
        (True, "  x  any value"),
    ],
    ids=["text", "bounds", "types", "choice", "constant", "alternatives", "array", "anything", "true"],
)
def test_an_argument_has_its_type_bounds_and_default(schema: JsonValue, line: str) -> None:
    assert shown({"x": schema}) == [line]


def test_required_arguments_and_descriptions_are_shown() -> None:
    properties: dict[str, JsonValue] = {"x": {"type": "string", "description": "The\n  text.\x1b[2J"}, "y": {}}

    assert shown(properties, required=["x"]) == ["  x  string, required", "    The text.[2J", "  y  any value"]


def test_objects_are_shown_with_their_parts_wherever_they_are() -> None:
    order: JsonValue = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
    properties: dict[str, JsonValue] = {
        "order": {"$ref": "#/$defs/Order", "description": "What to buy."},
        "orders": {"type": "array", "items": {"$ref": "#/$defs/Order"}},
        "maybe": {"anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}]},
    }

    assert shown(properties, **{"$defs": {"Order": order}}) == [
        "  order  object",
        "    What to buy.",
        "    amount  number, required",
        "  orders  array of object",
        "    amount  number, required",
        "  maybe  object or null",
        "    amount  number, required",
    ]


def test_a_schema_that_refers_to_itself_ends() -> None:
    node: JsonValue = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}

    lines = shown({"node": {"$ref": "#/$defs/Node"}}, **{"$defs": {"Node": node}})

    assert lines[:3] == ["  node  object", "    next  object", "      next  object"]
    assert len(lines) < 10


def test_a_reference_that_leads_nowhere_is_any_value() -> None:
    assert shown({"x": {"$ref": "#/$defs/Gone"}, "y": {"$ref": "https://other"}}) == [
        "  x  any value",
        "  y  any value",
    ]
