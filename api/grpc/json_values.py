"""Map JSON to protobuf's ``Struct`` and ``Value``, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from pydantic import JsonValue

__all__ = ["NotJSON", "from_struct", "from_value", "to_struct", "to_value"]

_MAX_INTEGER = 2**53
"""Protobuf's numbers are doubles, which hold every integer up to this one."""
_MAX_DEPTH = 30
"""Levels of objects and lists. Parsers of protobuf refuse more than 100 messages in each other, and a level of JSON
takes up to three."""


class NotJSON(ValueError):
    """The message holds NaN or infinity, which JSON doesn't have."""


def to_struct(values: Mapping[str, JsonValue]) -> Struct:
    """Return an object as a message.

    What protobuf doesn't hold becomes text: integers beyond a double's, and objects and lists below ``_MAX_DEPTH``
    others as their JSON.
    """
    return _to_struct(values, _MAX_DEPTH)


def to_value(value: JsonValue) -> Value:
    """Return any value as a message, as in ``to_struct``."""
    return _to_value(value, _MAX_DEPTH)


def _to_struct(values: Mapping[str, JsonValue], levels: int) -> Struct:
    return Struct(fields={key: _to_value(value, levels - 1) for key, value in values.items()})


def _to_value(value: JsonValue, levels: int) -> Value:
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case bool():
            return Value(bool_value=value)
        case int():
            return Value(number_value=value) if abs(value) <= _MAX_INTEGER else Value(string_value=str(value))
        case float():
            return Value(number_value=value)
        case str():
            return Value(string_value=value)
        case list() | dict() if levels <= 0:
            return Value(string_value=json.dumps(value, ensure_ascii=False))
        case list():
            return Value(list_value=ListValue(values=[_to_value(item, levels - 1) for item in value]))
        case _:
            return Value(struct_value=_to_struct(value, levels))


def from_struct(struct: Struct) -> dict[str, JsonValue]:
    """Return a message as an object; whole numbers become integers.

    Raises:
        NotJSON: a number is NaN or infinite.
    """
    return {key: from_value(value) for key, value in struct.fields.items()}


def from_value(value: Value) -> JsonValue:
    """Return a message as a value, as in ``from_struct``.

    Raises:
        NotJSON: a number is NaN or infinite.
    """
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "string_value":
            return value.string_value
        case "list_value":
            return [from_value(item) for item in value.list_value.values]
        case "struct_value":
            return from_struct(value.struct_value)
        case "number_value":
            return _number(value.number_value)
    return None


def _number(number: float) -> float:
    if not math.isfinite(number):
        raise NotJSON("NaN and Infinity are no numbers in JSON")
    return int(number) if number.is_integer() and abs(number) <= _MAX_INTEGER else number
