"""Convert a JSON Schema to the subset that Claude's output can be constrained to, in which every object is closed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from agentkit.llm.shared.schema_references import cyclic_references

__all__ = ["claude_schema"]

_COPIED = {"type", "enum", "const", "required", "$ref", "title", "description"}
_LISTS_OF_SCHEMAS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
"""Keywords with a list of schemas, and the keyword of the subset."""
_MAPS_OF_SCHEMAS = {"properties", "$defs", "definitions"}
_DROPPED = {"additionalProperties", "$schema", "$id", "$comment", "default", "examples"}
_OPEN_OBJECT = {"patternProperties", "propertyNames", "unevaluatedProperties", "dependentSchemas"}
_KEYWORDS_OF_TYPES = {
    "array": {"items", "minItems", "maxItems", "uniqueItems", "prefixItems", "contains"},
    "object": {"properties", "required", "additionalProperties", *_OPEN_OBJECT},
}
"""Keywords that say nothing about a value of another type."""
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
_Schema = dict[str, JsonValue]


class _NotInSubset(Exception):
    """The subset can't express the schema."""


def claude_schema(schema: Mapping[str, JsonValue]) -> _Schema | None:
    """Return the schema in the subset, or None if the subset can't express it.

    It can't express an open object, a schema that refers to itself, or ``allOf`` with a reference.
    Keywords that aren't enforced, such as ``minimum``, move to the description.
    """
    if cyclic_references(schema):
        return None
    try:
        return _convert(dict(schema))
    except _NotInSubset:
        return None


def _convert(schema: JsonValue) -> _Schema:
    if not isinstance(schema, dict):
        raise _NotInSubset
    types = schema.get("type")
    if isinstance(types, list):
        return _any_of(schema, types)
    converted: _Schema = {}
    unenforced: list[str] = []
    for key, value in schema.items():
        if key in _MAPS_OF_SCHEMAS and isinstance(value, dict):
            converted[key] = {name: _convert(inner) for name, inner in value.items()}
        elif key in _LISTS_OF_SCHEMAS and isinstance(value, list):
            converted[_LISTS_OF_SCHEMAS[key]] = _convert_list(key, value)
        elif key == "items":
            converted[key] = _convert(value)
        elif _is_enforced(key, value):
            converted[key] = value
        elif key not in _DROPPED:
            unenforced.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
    if unenforced:
        description = (str(schema.get("description") or ""), f"({', '.join(unenforced)})")
        converted["description"] = " ".join(filter(None, description))
    return _close_object(schema, converted)


def _convert_list(key: str, schemas: list[JsonValue]) -> list[JsonValue]:
    if key == "allOf" and any(isinstance(inner, dict) and "$ref" in inner for inner in schemas):
        raise _NotInSubset
    return [_convert(inner) for inner in schemas]


def _is_enforced(key: str, value: JsonValue) -> bool:
    return key in _COPIED or (key == "format" and value in _FORMATS) or (key == "minItems" and value in (0, 1))


def _any_of(schema: _Schema, types: list[JsonValue]) -> _Schema:
    """Convert a schema of several types to one schema for each; definitions stay at the root."""
    if "enum" in schema or "const" in schema:  # which need no type
        return _convert({key: value for key, value in schema.items() if key != "type"})
    if len({*map(str, types)} - {"null"}) > 1 and _LISTS_OF_SCHEMAS.keys() & schema.keys():
        raise _NotInSubset  # alternatives of alternatives grow exponentially with their depth
    converted: _Schema = {
        "anyOf": [{"type": "null"} if name == "null" else _convert(_of_one_type(schema, name)) for name in types]
    }
    for key in ("$defs", "definitions"):
        if isinstance(definitions := schema.get(key), dict):
            converted[key] = {name: _convert(inner) for name, inner in definitions.items()}
    return converted


def _of_one_type(schema: _Schema, name: JsonValue) -> _Schema:
    """Return the schema for values of one type, without definitions and what is about other types."""
    left_out = {"$defs", "definitions"}.union(*(keys for key, keys in _KEYWORDS_OF_TYPES.items() if key != name))
    return {**{key: value for key, value in schema.items() if key not in left_out}, "type": name}


def _close_object(schema: _Schema, converted: _Schema) -> _Schema:
    """Return ``converted``, closed if it is an object.

    Raises:
        _NotInSubset: the object must stay open, or the schema allows any value.
    """
    if schema.get("type") == "object" or "properties" in schema:
        is_closed = schema.get("additionalProperties") is False
        may_be_closed = schema.get("properties") and not schema.get("additionalProperties")
        if not is_closed and (not may_be_closed or _OPEN_OBJECT & set(schema)):
            raise _NotInSubset
        return {**converted, "type": "object", "additionalProperties": False}
    if not {"type", "enum", "const", "$ref", "anyOf", "allOf"} & set(converted):
        raise _NotInSubset
    return converted
