from __future__ import annotations

from typing import Any

import pytest

from cli.answers.form_fields import form_fields, required_fields, typed_field


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ({"type": "string"}, "4A", "4A"),
        ({"type": "string", "enum": ["4A"]}, "4A", "4A"),
        ({}, "7", "7"),
        ({"type": "integer"}, "7", 7),
        ({"type": "number"}, "-1.5", -1.5),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "n", False),
        ({"type": "array"}, "a, b", ["a", "b"]),
        ({"type": "array"}, '["a, b"]', ["a, b"]),
    ],
)
def test_a_line_is_a_value_of_its_fields_type(field: dict[str, Any], text: str, value: object) -> None:
    assert typed_field(field, text) == value


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ({"type": "string", "enum": ["4A", "4B"]}, "9Z", 'Type one of "4A", "4B"'),
        ({"type": "integer"}, "seven", "isn't JSON"),
        ({"type": "integer"}, "true", "Type a number"),
        ({"type": "boolean"}, "perhaps", "Type yes or no"),
        ({"type": "array"}, "[1", "isn't JSON"),
    ],
)
def test_what_is_no_such_value_is_refused(field: dict[str, Any], text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        typed_field(field, text)


@pytest.mark.parametrize("schema", [{}, {"properties": 7, "required": "x"}], ids=["empty", "nonsense"])
def test_a_schema_without_fields_has_none(schema: dict[str, Any]) -> None:
    assert (form_fields(schema), required_fields(schema)) == ({}, ())
