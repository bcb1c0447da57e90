"""Fit the JSON Schema of a tool to what all providers accept: an object at its root, without alternatives."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from agentkit.llm.shared.schema_references import resolve_reference

__all__ = ["is_plain_object", "object_parameters"]

_NOT_AT_ROOT = ("anyOf", "oneOf", "allOf", "$ref", "enum", "const", "not", "if", "then", "else")
_ALTERNATIVES = ("anyOf", "oneOf")
_Schema = Mapping[str, JsonValue]


def is_plain_object(schema: _Schema) -> bool:
    """Return whether the root of a schema is an object without alternatives."""
    return schema.get("type") == "object" and not any(key in schema for key in _NOT_AT_ROOT)


def object_parameters(schema: _Schema) -> dict[str, JsonValue]:
    """Return the schema if its root is a plain object; otherwise one that allows the same properties, and maybe more.

    It always has a type and properties, which OpenAI requires. The tool itself checks the arguments against its own
    schema.
    """
    if is_plain_object(schema) or not any(key in schema for key in _NOT_AT_ROOT):
        return {**schema, "type": "object", "properties": schema.get("properties") or {}}
    properties: dict[str, JsonValue] = {}
    required: dict[str, None] = {}
    for variant, is_alternative in _variants(schema, schema, depth=0):
        own = variant.get("properties")
        properties |= own if isinstance(own, dict) else {}
        names = variant.get("required")
        if isinstance(names, list) and not is_alternative:
            required |= dict.fromkeys(map(str, names))
    rest = {key: value for key, value in schema.items() if key not in (*_NOT_AT_ROOT, "properties", "required", "type")}
    names_required: dict[str, JsonValue] = {"required": [*required]} if required else {}
    return {"type": "object", "properties": properties, **names_required, **rest}


def _variants(schema: _Schema, root: _Schema, depth: int) -> list[tuple[_Schema, bool]]:
    """Return the schemas that make up a root, and whether each is one of several alternatives."""
    if depth > len(_NOT_AT_ROOT):  # a schema that refers to itself
        return []
    variants: list[tuple[_Schema, bool]] = [(schema, False)]
    reference = schema.get("$ref")
    target = resolve_reference(str(reference), root) if reference is not None else None
    if target is not None and target is not schema:
        variants += _variants(target, root, depth + 1)
    for key in ("allOf", *_ALTERNATIVES):
        inner = schema.get(key)
        for item in inner if isinstance(inner, list) else ():
            if isinstance(item, Mapping):
                variants += [
                    (variant, is_alternative or key in _ALTERNATIVES)
                    for variant, is_alternative in _variants(item, root, depth + 1)
                ]
    return variants
