"""Put JSON Schemas inside another one: what they refer to by ``#`` has to move along."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

__all__ = ["nested"]

_GROUPS = ("$defs", "definitions")
_DOCUMENT = ("$schema", "$id")
"""What only the root of a document may say."""


def nested(schema: Mapping[str, JsonValue], name: str, definitions: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a schema that can stand inside another, whose ``$defs`` are ``definitions``.

    Its own definitions are added there, each under ``name``, which no other schema may have.
    """
    moved = _moved({key: value for key, value in schema.items() if key not in (*_GROUPS, *_DOCUMENT)}, name)
    assert isinstance(moved, dict)
    own: dict[str, JsonValue] = {}
    for group in _GROUPS:
        for key, value in _mapping(schema.get(group)).items():
            own[f"{name}_{key}"] = _moved(value, name)
    root = _pointer(name)
    written = json.dumps([moved, own])
    if f'"{root}"' in written or f'"{root}/' in written:  # it refers to itself
        own[name] = moved
    definitions.update(own)
    return moved


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _pointer(name: str) -> str:
    return f"#/$defs/{name}"


def _moved(value: JsonValue, name: str) -> JsonValue:
    if isinstance(value, list):
        return [_moved(one, name) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _target(one, name) if key == "$ref" and isinstance(one, str) else _moved(one, name)
        for key, one in value.items()
    }


def _target(reference: str, name: str) -> str:
    for group in _GROUPS:
        if reference.startswith(f"#/{group}/"):
            return f"{_pointer(name)}_{reference.removeprefix(f'#/{group}/')}"
    return _pointer(name) + reference[1:] if reference.startswith("#") else reference
