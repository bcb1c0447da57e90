"""Map JSON to protobuf's ``Struct`` and ``Value``, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from pydantic import JsonValue

__all__ = ["NotJSON", "from_struct", "to_struct", "to_value"]

_MAX_INTEGER = 2**53
"""Protobuf's numbers are doubles, which hold every integer up to this one."""


class NotJSON(ValueError):
    """The message holds NaN or infinity, which JSON doesn't have."""


def to_struct(values: Mapping[str, JsonValue]) -> Struct:
    """Return an object as a message; integers that a double doesn't hold become text."""
    return Struct(fields={key: to_value(value) for key, value in values.items()})


def to_value(value: JsonValue) -> Value:
    """Return any value as a message; integers as in ``to_struct``."""
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
        case list():
            return Value(list_value=ListValue(values=map(to_value, value)))
        case _:
            return Value(struct_value=to_struct(value))


def from_struct(struct: Struct) -> dict[str, JsonValue]:
    """Return a message as an object; whole numbers become integers.

    Raises:
        NotJSON: a number is NaN or infinite.
    """
    return {key: _from_value(value) for key, value in struct.fields.items()}


def _from_value(value: Value) -> JsonValue:
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "string_value":
            return value.string_value
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "struct_value":
            return from_struct(value.struct_value)
        case "number_value":
            return _number(value.number_value)
    return None


def _number(number: float) -> float:
    if not math.isfinite(number):
        raise NotJSON("NaN and Infinity are no numbers in JSON")
    return int(number) if number.is_integer() and abs(number) <= _MAX_INTEGER else number
