"""JSON Schema as Claude can be held to: a subset, with every object closed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

__all__ = ["held_schema"]

_KEPT = {"type", "enum", "const", "required", "$ref", "title", "description"}
_NESTED = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_NAMED = {"properties", "$defs", "definitions"}
_DROPPED = {"additionalProperties", "$schema", "$id", "$comment", "default", "examples"}
_OPEN = {"patternProperties", "propertyNames", "unevaluatedProperties", "dependentSchemas"}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
_Schema = dict[str, JsonValue]


class _Inexpressible(Exception):
    """The subset has no words for it."""


def held_schema(schema: Mapping[str, JsonValue]) -> _Schema | None:
    """Return the schema in the subset, or None where it would say something else, such as no open objects.

    What the model can't be held to, such as ``minimum``, is told to it in the description.
    """
    try:
        return _held(dict(schema))
    except _Inexpressible:
        return None


def _held(schema: JsonValue) -> _Schema:
    if not isinstance(schema, dict):
        raise _Inexpressible
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return _any_of(schema, kinds)
    written: _Schema = {}
    told: list[str] = []
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            written[key] = {name: _held(one) for name, one in value.items()}
        elif key in _NESTED and isinstance(value, list):
            written[_NESTED[key]] = [_held(one) for one in value]
        elif key == "items":
            written[key] = _held(value)
        elif _is_kept(key, value):
            written[key] = value
        elif key not in _DROPPED:
            told.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
    if told:
        written["description"] = " ".join(filter(None, (str(schema.get("description") or ""), f"({', '.join(told)})")))
    return _closed(schema, written)


def _is_kept(key: str, value: JsonValue) -> bool:
    return key in _KEPT or (key == "format" and value in _FORMATS) or (key == "minItems" and value in (0, 1))


def _any_of(schema: _Schema, kinds: list[JsonValue]) -> _Schema:
    """Return a schema of several types as several schemas; definitions stay at its root."""
    own = {key: value for key, value in schema.items() if key not in ("$defs", "definitions", "enum", "const")}
    if "enum" in schema or "const" in schema:  # which say enough without a type
        return _held({key: value for key, value in schema.items() if key != "type"})
    written: _Schema = {
        "anyOf": [{"type": "null"} if kind == "null" else _held({**own, "type": kind}) for kind in kinds]
    }
    for key in ("$defs", "definitions"):
        if isinstance(definitions := schema.get(key), dict):
            written[key] = {name: _held(one) for name, one in definitions.items()}
    return written


def _closed(schema: _Schema, written: _Schema) -> _Schema:
    """Return ``written`` with its object closed.

    Raises:
        _Inexpressible: the object is to be open, or nothing is said of the value at all.
    """
    if schema.get("type") == "object" or "properties" in schema:
        closed = schema.get("additionalProperties") is False
        if not closed and (schema.get("additionalProperties") or not schema.get("properties") or _OPEN & set(schema)):
            raise _Inexpressible
        return {**written, "type": "object", "additionalProperties": False}
    if not {"type", "enum", "const", "$ref", "anyOf", "allOf"} & set(written):
        raise _Inexpressible
    return written
