"""The fields of a form as a person types them: each line is a value of its field's type."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from cli.answers.typed_json import parse_typed_json

__all__ = ["form_fields", "required_fields", "typed_field"]


def form_fields(schema: Mapping[str, JsonValue]) -> dict[str, Mapping[str, JsonValue]]:
    """Return the schemas of a form's fields by name."""
    return {name: _object(field) for name, field in _object(schema.get("properties")).items()}


def required_fields(schema: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return the names of the fields that an answer must have."""
    names = schema.get("required")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def typed_field(field: Mapping[str, JsonValue], text: str) -> JsonValue:
    """Return what was typed as a value of the field's type.

    Raises:
        ValueError: it is none; the message is for the person.
    """
    match field.get("type"):
        case "boolean":
            if text.lower() in ("y", "yes", "true"):
                return True
            if text.lower() in ("n", "no", "false"):
                return False
            raise ValueError("Type yes or no")
        case "integer" | "number":
            number = parse_typed_json(text)
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise ValueError("Type a number")
            return number
        case "array":
            return parse_typed_json(text) if text.startswith("[") else [part.strip() for part in text.split(",")]
    choices = field.get("enum")
    if isinstance(choices, list) and text not in choices:
        raise ValueError(f"Type one of {', '.join(json.dumps(choice) for choice in choices)}")
    return text


def _object(value: object) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
