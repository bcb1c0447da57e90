"""OpenAI's strict mode, in which a response is certain to fit its JSON Schema: the schemas that it accepts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

__all__ = ["is_strict"]

_KEYWORDS = {
    "$defs", "$ref", "additionalProperties", "anyOf", "const", "definitions", "description", "enum",
    "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum",
    "multipleOf", "pattern", "properties", "required", "title", "type",
}  # fmt: skip
"""A strict schema with any other keyword is rejected."""
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_REFERENCE = re.compile(r"#(/(?:\$defs|definitions)/[^/]+)?")
_MAX_DEPTH = 10
"""Objects within objects."""
_MAX_PROPERTIES = 5_000
_MAX_ENUM_VALUES = 1_000
_NAMED_SCHEMAS = ("properties", "$defs", "definitions")
_Schema = Mapping[str, JsonValue]


def is_strict(schema: _Schema) -> bool:
    """Return whether OpenAI accepts a schema in strict mode: known keywords, closed objects, all within its limits."""
    schemas = [*_schemas(schema)]
    if schema.get("type") != "object" or "anyOf" in schema or any(part is None for part, _ in schemas):
        return False
    parts = [(part, depth) for part, depth in schemas if part is not None]
    return (
        all(_is_supported(part) for part, _ in parts)
        and max(depth for _, depth in parts) <= _MAX_DEPTH
        and sum(_length(part.get("properties")) for part, _ in parts) <= _MAX_PROPERTIES
        and sum(_length(part.get("enum")) for part, _ in parts) <= _MAX_ENUM_VALUES
    )


def _schemas(schema: JsonValue | _Schema, depth: int = 0) -> Iterator[tuple[_Schema | None, int]]:
    """Yield a schema and all within it, each with the number of objects around it; None for one that is no object."""
    if not isinstance(schema, Mapping):
        yield None, depth
        return
    depth += "properties" in schema
    yield schema, depth
    for key in _NAMED_SCHEMAS:
        group = schema.get(key)
        for inner in group.values() if isinstance(group, dict) else ():
            yield from _schemas(inner, depth if key == "properties" else 0)
    alternatives = schema.get("anyOf")
    inner_schemas = alternatives if isinstance(alternatives, list) else []
    for inner in [*inner_schemas, *([schema["items"]] if "items" in schema else [])]:
        yield from _schemas(inner, depth)


def _is_supported(schema: _Schema) -> bool:
    """Return whether a schema is supported, apart from those within it."""
    if not schema.keys() <= _KEYWORDS:
        return False
    if "$ref" in schema:
        only_definitions = schema.keys() <= {"$ref", "$defs", "definitions"}
        return only_definitions and _REFERENCE.fullmatch(str(schema["$ref"])) is not None
    if "format" in schema and schema["format"] not in _FORMATS:
        return False
    if not schema.keys() & {"type", "anyOf"}:
        return False
    is_list = "array" in _types(schema)
    return ("items" in schema or not is_list) and _is_closed(schema)


def _is_closed(schema: _Schema) -> bool:
    """Return whether an object names all its properties and requires them; true for any other type."""
    properties = schema.get("properties")
    if "object" not in _types(schema) and not isinstance(properties, dict):
        return True
    names = sorted(properties) if isinstance(properties, dict) else []
    required = schema.get("required", [])
    all_required = isinstance(required, list) and sorted(map(str, required)) == names
    return all_required and schema.get("additionalProperties") is False


def _types(schema: _Schema) -> list[JsonValue]:
    types = schema.get("type")
    return types if isinstance(types, list) else [types]


def _length(value: JsonValue) -> int:
    return len(value) if isinstance(value, list | dict) else 0
