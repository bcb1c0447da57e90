"""Convert JSON Schemas to what Gemini accepts, for tools and for the output."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from agentkit.llm.shared.schema_references import Schema, cyclic_references, inner_schemas, resolve_reference

__all__ = ["gemini_output_schema", "gemini_schema"]

_DEFINITIONS = ("$defs", "definitions")
_MAPS_OF_SCHEMAS = ("properties", *_DEFINITIONS)
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties")
_DROPPED = ("$schema", "$id", "$comment")
_MAX_INLINED_BYTES = 262_144
"""JSON of all that takes the place of references: it grows exponentially where references lead to several more."""
_MAX_INLINED_DEPTH = 100
"""Levels of schemas, below which references stay."""
_ANY_OBJECT: dict[str, JsonValue] = {"type": "object"}


def gemini_schema(schema: Schema) -> dict[str, JsonValue]:
    """Return a JSON Schema without what Google rejects; it may allow more than the original.

    References beside other keywords, and ``allOf`` with one schema, are replaced by what they stand for. So are those
    to objects that must contain themselves, inside which any object takes their place; up to a size, beyond which
    references lose the keywords beside them. ``const``, which Google ignores, becomes ``enum``.
    """
    converted = _Converter(schema).convert({**schema}, (), 0)
    return converted if isinstance(converted, dict) else {}


def gemini_output_schema(schema: Schema) -> dict[str, JsonValue] | None:
    """Return the schema to constrain text to; None if Gemini can't: objects that must contain themselves, ``allOf``."""
    if cyclic_references(schema, _mandatory_schemas) or _has_several_all_of(schema):
        return None
    return gemini_schema(schema)


def _mandatory_schemas(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas inside a schema of which every value has one: Google accepts references back through others."""
    required = schema.get("required")
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        if isinstance(required, list) and name in required and isinstance(inner, dict):
            yield inner
    items, min_items = schema.get("items"), schema.get("minItems")
    if isinstance(items, dict) and isinstance(min_items, int) and min_items > 0:
        yield items
    for key in ("anyOf", "oneOf", "allOf"):
        alternatives = schema.get(key)
        variants = alternatives if isinstance(alternatives, list) else []
        if {"type": "null"} not in variants:
            yield from (variant for variant in variants if isinstance(variant, dict))


def _has_several_all_of(schema: Schema) -> bool:
    all_of = schema.get("allOf")
    groups = [group for key in _DEFINITIONS if isinstance(group := schema.get(key), dict)]
    inner = [
        *inner_schemas(schema),
        *(value for group in groups for value in group.values() if isinstance(value, dict)),
    ]
    return (isinstance(all_of, list) and len(all_of) > 1) or any(map(_has_several_all_of, inner))


class _Converter:
    """Converts the schemas inside one root."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._cyclic = cyclic_references(root, _mandatory_schemas)
        self._inlined_bytes = 0

    def convert(self, schema: JsonValue, path: tuple[str, ...], depth: int) -> JsonValue:
        """Return a schema, converted; ``path`` has the references that it was reached by, ``depth`` counts levels."""
        if not isinstance(schema, dict):
            return schema
        match schema:
            case {"$ref": str(reference)}:
                return self._convert_reference(schema, reference, path, depth)
            case {"allOf": [dict(only)]}:
                without = {key: value for key, value in schema.items() if key != "allOf"}
                return self.convert({**only, **without}, path, depth + 1)
        converted: dict[str, JsonValue] = {}
        for key, value in schema.items():
            if key == "const":
                converted["enum"] = [value]
            elif key in _MAPS_OF_SCHEMAS and isinstance(value, dict):
                converted[key] = {name: self.convert(inner, path, depth + 1) for name, inner in value.items()}
            elif key in _LISTS_OF_SCHEMAS and isinstance(value, list):
                converted[key] = [self.convert(inner, path, depth + 1) for inner in value]
            elif key in _SCHEMAS:
                converted[key] = self.convert(value, path, depth + 1)
            elif key not in _DROPPED:
                converted[key] = value
        return converted

    def _convert_reference(
        self, schema: dict[str, JsonValue], reference: str, path: tuple[str, ...], depth: int
    ) -> JsonValue:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        other_keywords = beside.keys() - {*_DEFINITIONS, *_DROPPED}
        target = resolve_reference(reference, self._root)
        is_cyclic = reference in self._cyclic
        may_inline = self._inlined_bytes < _MAX_INLINED_BYTES and depth < _MAX_INLINED_DEPTH
        if is_cyclic and (reference in path or not may_inline):
            return dict(_ANY_OBJECT)
        if target is None or reference in path or not may_inline or not (other_keywords or is_cyclic):
            definitions = self.convert({key: beside[key] for key in _DEFINITIONS if key in beside}, path, depth + 1)
            return {"$ref": reference, **(definitions if isinstance(definitions, dict) else {})}
        self._inlined_bytes += len(json.dumps(target))
        return self.convert({**target, **beside}, (*path, reference), depth + 1)
