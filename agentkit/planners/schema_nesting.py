"""Nest JSON Schemas inside another one: move their definitions, and rewrite references that start with ``#``."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

__all__ = ["nest_schema"]

_DEFINITION_KEYS = ("$defs", "definitions")
_ROOT_KEYS = ("$schema", "$id")
"""Allowed only at the root of a document."""


def nest_schema(schema: Mapping[str, JsonValue], name: str, definitions: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the schema with references rewritten for use inside another schema, whose ``$defs`` are ``definitions``.

    The schema's own definitions are added to ``definitions``, with ``name`` as a prefix that no other schema may have.
    """
    body = {key: value for key, value in schema.items() if key not in (*_DEFINITION_KEYS, *_ROOT_KEYS)}
    nested = _rewrite_references(body, name)
    assert isinstance(nested, dict)
    own: dict[str, JsonValue] = {}
    for group in _DEFINITION_KEYS:
        for key, value in _mapping(schema.get(group)).items():
            own[f"{name}_{key}"] = _rewrite_references(value, name)
    root = _pointer(name)
    text = json.dumps([nested, own])
    if f'"{root}"' in text or f'"{root}/' in text:  # the schema refers to itself
        own[name] = nested
    definitions.update(own)
    return nested


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _pointer(name: str) -> str:
    return f"#/$defs/{name}"


def _rewrite_references(value: JsonValue, name: str) -> JsonValue:
    if isinstance(value, list):
        return [_rewrite_references(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _rewrite_reference(item, name)
        if key == "$ref" and isinstance(item, str)
        else _rewrite_references(item, name)
        for key, item in value.items()
    }


def _rewrite_reference(reference: str, name: str) -> str:
    for group in _DEFINITION_KEYS:
        if reference.startswith(f"#/{group}/"):
            return f"{_pointer(name)}_{reference.removeprefix(f'#/{group}/')}"
    return _pointer(name) + reference[1:] if reference.startswith("#") else reference
