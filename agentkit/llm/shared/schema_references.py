"""References inside a JSON Schema: resolve them, and find those that lead back to themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic import JsonValue

__all__ = ["Schema", "cyclic_references", "inner_schemas", "resolve_reference"]

Schema = Mapping[str, JsonValue]

_DEFINITIONS = ("$defs", "definitions")
_MAPS_OF_SCHEMAS = ("properties", "patternProperties", "dependentSchemas")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")


def resolve_reference(reference: str, root: Schema) -> Schema | None:
    """Return the schema that a reference such as ``#/$defs/Node`` refers to; None if there is none."""
    if not reference.startswith("#"):
        return None
    value: JsonValue | Schema = root
    for part in filter(None, reference[1:].split("/")):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value if isinstance(value, Mapping) else None


def inner_schemas(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas directly inside a schema, without its definitions."""
    groups: list[Iterable[JsonValue]] = [[schema.get(key) for key in _SCHEMAS]]
    for key in _MAPS_OF_SCHEMAS:
        value = schema.get(key)
        groups.append(value.values() if isinstance(value, dict) else ())
    for key in _LISTS_OF_SCHEMAS:
        value = schema.get(key)
        groups.append(value if isinstance(value, list) else ())
    for group in groups:
        for inner in group:
            if isinstance(inner, Mapping):
                yield inner


def cyclic_references(root: Schema, inside: Callable[[Schema], Iterable[Schema]] = inner_schemas) -> frozenset[str]:
    """Return the references that lead back to themselves, through the schemas that ``inside`` returns."""
    definitions = [group for key in _DEFINITIONS if isinstance(group := root.get(key), dict)]
    starts = [root, *(inner for group in definitions for inner in group.values() if isinstance(inner, dict))]
    next_references: dict[str, set[str]] = {}
    pending = {reference for start in starts for reference in _references(start, inside)}
    while pending:
        reference = pending.pop()
        target = resolve_reference(reference, root)
        next_references[reference] = {*_references(target, inside)} if target is not None else set()
        pending |= next_references[reference] - next_references.keys()
    return frozenset(reference for reference in next_references if _leads_back(reference, next_references))


def _references(schema: Schema, inside: Callable[[Schema], Iterable[Schema]]) -> Iterator[str]:
    if isinstance(reference := schema.get("$ref"), str):
        yield reference
    for inner in inside(schema):
        yield from _references(inner, inside)


def _leads_back(start: str, next_references: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    pending = {*next_references[start]}
    while pending:
        reference = pending.pop()
        if reference == start:
            return True
        seen.add(reference)
        pending |= next_references[reference] - seen
    return False
