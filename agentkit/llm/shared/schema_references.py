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
    groups = _strongly_connected(next_references)
    return frozenset(
        reference
        for group in groups
        for reference in group
        if len(group) > 1 or reference in next_references[reference]
    )


def _references(schema: Schema, inside: Callable[[Schema], Iterable[Schema]]) -> Iterator[str]:
    if isinstance(reference := schema.get("$ref"), str):
        yield reference
    for inner in inside(schema):
        yield from _references(inner, inside)


def _strongly_connected(graph: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Yield the groups of nodes that all lead to one another, by Tarjan's algorithm: in linear time, without recursion.

    https://en.wikipedia.org/wiki/Tarjan%27s_strongly_connected_components_algorithm
    """
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: dict[str, None] = {}
    for start in graph:
        calls = [] if start in numbers else [(start, iter(graph[start]))]
        while calls:
            node, targets = calls[-1]
            if node not in numbers:
                numbers[node] = lowest[node] = len(numbers)
                path[node] = None
            for target in targets:
                if target not in numbers:
                    calls.append((target, iter(graph[target])))
                    break
                if target in path:
                    lowest[node] = min(lowest[node], numbers[target])
            else:
                calls.pop()
                if calls:
                    lowest[calls[-1][0]] = min(lowest[calls[-1][0]], lowest[node])
                if lowest[node] == numbers[node]:
                    yield [*_popped_until(node, path)]


def _popped_until(last: str, path: dict[str, None]) -> Iterator[str]:
    while True:
        node, _ = path.popitem()
        yield node
        if node == last:
            return
