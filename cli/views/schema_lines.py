"""JSON Schemas of tool arguments as lines of text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from rich.text import Text

from cli.views.console import one_line, printable

__all__ = ["argument_lines"]

_INDENT = 2
_MAX_DEPTH = 4
"""Schemas may refer to themselves."""
_MAX_VALUE_WIDTH = 60
_MAX_DESCRIPTION_WIDTH = 500
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "pattern": "pattern",
    "format": "format",
}


def argument_lines(schema: Mapping[str, object]) -> Iterator[Text]:
    """Yield a line for each argument of an object's schema: its name, type, and description; parts are indented."""
    yield from _property_lines(schema, schema, 1)


def _property_lines(schema: Mapping[str, object], root: Mapping[str, object], depth: int) -> Iterator[Text]:
    properties, required = _object(schema.get("properties")), schema.get("required")
    names = required if isinstance(required, list) else []
    for name, value in properties.items():
        argument = _resolved(_object(value), root)
        facts = [_type_name(argument, root), *(["required"] if name in names else []), *_constraints(argument)]
        indent = " " * _INDENT * depth
        yield Text.assemble(indent, (printable(name), "bold"), "  ", (", ".join(facts), "dim"))
        description = argument.get("description")
        if isinstance(description, str) and description.strip():
            yield Text(f"{indent}{' ' * _INDENT}{one_line(description, _MAX_DESCRIPTION_WIDTH)}")
        if depth < _MAX_DEPTH:
            for part in _parts(argument, root):
                yield from _property_lines(part, root, depth + 1)


def _parts(schema: Mapping[str, object], root: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the schemas of objects that a value holds: its own, those of its alternatives, and those of its items."""
    if _object(schema.get("properties")):
        yield schema
    for alternative in _alternatives(schema, root):
        yield from _parts(alternative, root) if alternative is not schema else ()
    if items := _object(schema.get("items")):
        yield from _parts(_resolved(items, root), root)


def _type_name(schema: Mapping[str, object], root: Mapping[str, object]) -> str:
    if "const" in schema:
        return _json(schema["const"])
    if isinstance(values := schema.get("enum"), list):
        return " or ".join(map(_json, values))
    if alternatives := list(_alternatives(schema, root)):
        return " or ".join(dict.fromkeys(_type_name(alternative, root) for alternative in alternatives))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(map(str, kind))
    if kind == "array":
        return f"array of {_type_name(_resolved(_object(schema.get('items')), root), root)}"
    return printable(kind) if isinstance(kind, str) else "any value"


def _alternatives(schema: Mapping[str, object], root: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    for key in ("anyOf", "oneOf"):
        if isinstance(values := schema.get(key), list):
            yield from (_resolved(_object(value), root) for value in values)


def _constraints(schema: Mapping[str, object]) -> Iterator[str]:
    yield from (f"{label} {_json(schema[key])}" for key, label in _BOUNDS.items() if key in schema)
    if "default" in schema:
        yield f"default {_json(schema['default'])}"


def _resolved(schema: Mapping[str, object], root: Mapping[str, object]) -> Mapping[str, object]:
    """Return the schema that a local reference refers to, with what stands beside the reference."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    target: Mapping[str, object] = root
    for key in reference.removeprefix("#").strip("/").split("/") if reference.startswith("#/") else ["?"]:
        target = _object(target.get(key))
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _json(value: object) -> str:
    return one_line(json.dumps(value, ensure_ascii=False), _MAX_VALUE_WIDTH)
