"""Which JSON Schemas can be used for output: of bounded size and depth, and complete in themselves."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from agentkit.errors import ConfigurationInvalid
from agentkit.json_text import is_deeper_than

__all__ = ["MAX_SCHEMA_BYTES", "check_schema"]

MAX_SCHEMA_BYTES = 128 * 1024
"""Of JSON."""
_MAX_DEPTH = 64
_MAX_EXPANSION = 10_000
"""How many subschemas may apply to one value, with references replaced by what they refer to."""
_MAX_REFERENCES = 200
"""How many references may follow one another at one value."""

_REFERENCES = ("$ref", "$dynamicRef")
_SAME_VALUE = ("not", "if", "then", "else")
_SAME_VALUE_LISTS = ("allOf", "anyOf", "oneOf")
_SAME_VALUE_MAPPINGS = ("dependentSchemas",)
_PARTS = ("items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties")
_PART_LISTS = ("prefixItems",)
_PART_MAPPINGS = ("properties", "patternProperties", "$defs", "definitions")

_Resolver = Any  # referencing's type is generic over schemas, which it can't name


def check_schema(schema: Mapping[str, JsonValue]) -> None:
    """Check that a schema can be used, in time that its size bounds. The same schema again costs next to nothing.

    Raises:
        ConfigurationInvalid: it is no JSON Schema, too large, refers to another document, or refers to itself in a way
            that has no end.
    """
    if is_deeper_than(schema, _MAX_DEPTH):
        raise ConfigurationInvalid(f"nested too deeply: {_MAX_DEPTH} levels at most")
    text = json.dumps(schema)
    if len(text) > MAX_SCHEMA_BYTES:
        raise ConfigurationInvalid(f"too large: {len(text):,} bytes, and {MAX_SCHEMA_BYTES:,} at most")
    if (problem := _problem(text)) is not None:
        raise ConfigurationInvalid(problem)


@functools.lru_cache(256)
def _problem(text: str) -> str | None:
    schema = json.loads(text)
    try:
        Draft202012Validator.check_schema(schema)
        _ReferenceWalk(schema).check()
    except SchemaError as error:
        return f"no JSON Schema: at {error.json_path}: {error.message[:300]}"
    except Unresolvable as error:
        return f"refers to {error.ref!r}, which isn't in it"
    except ConfigurationInvalid as error:
        return str(error)
    except (OverflowError, RecursionError) as error:
        return f"can't be evaluated ({type(error).__name__}): make its regular expressions simpler"
    return None


class _ReferenceWalk:
    """Checks the references of a schema: that each resolves, none loops, and not too many apply at once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        resource = DRAFT202012.create_resource(schema)
        self._schema = schema
        self._resolver: _Resolver = Registry().with_resource("", resource).crawl().resolver()
        self._sizes: dict[int, int] = {}
        """By identity: how many subschemas apply to a value at once."""
        self._open: list[int] = []

    def check(self) -> None:
        """Check all subschemas.

        Raises:
            ConfigurationInvalid: references without an end, or too many of them.
            Unresolvable: a reference to something that isn't there.
        """
        pending: list[tuple[Any, _Resolver]] = [(self._schema, self._resolver)]
        seen: set[int] = set()
        while pending:
            schema, resolver = pending.pop()
            if not isinstance(schema, dict) or id(schema) in seen:
                continue
            seen.add(id(schema))
            self._expanded_size(schema, resolver)
            applied = self._same_value(schema, resolver)
            pending += [*applied, *((part, resolver) for part in _parts(schema))]

    def _expanded_size(self, schema: Any, resolver: _Resolver) -> int:
        """Return how many subschemas apply to one value that the schema is applied to."""
        if not isinstance(schema, dict):
            return 1
        key = id(schema)
        if key in self._sizes:
            return self._sizes[key]
        if key in self._open:
            raise ConfigurationInvalid(
                "refers to itself without an end: a recursive reference must stand below properties or items"
            )
        if len(self._open) > _MAX_REFERENCES:
            raise ConfigurationInvalid(f"more than {_MAX_REFERENCES} references follow one another")
        self._open.append(key)
        size = 1 + sum(self._expanded_size(*applied) for applied in self._same_value(schema, resolver))
        self._open.pop()
        if size > _MAX_EXPANSION:
            raise ConfigurationInvalid(
                f"its references expand to more than {_MAX_EXPANSION:,} subschemas for one value: simplify it"
            )
        self._sizes[key] = size
        return size

    def _same_value(self, schema: dict[str, Any], resolver: _Resolver) -> Iterator[tuple[Any, _Resolver]]:
        """Yield the subschemas that apply to the same value."""
        for keyword in _REFERENCES:
            if isinstance(reference := schema.get(keyword), str):
                resolved = resolver.lookup(reference)
                yield resolved.contents, resolved.resolver
        for part in _values(schema, _SAME_VALUE, _SAME_VALUE_LISTS, _SAME_VALUE_MAPPINGS):
            yield part, resolver


def _parts(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield the subschemas that apply to parts of a value, and definitions."""
    return _values(schema, _PARTS, _PART_LISTS, _PART_MAPPINGS)


def _values(
    schema: dict[str, Any], single: Iterable[str], lists: Iterable[str], mappings: Iterable[str]
) -> Iterator[Any]:
    for keyword in single:
        if keyword in schema:
            yield schema[keyword]
    for keyword in lists:
        if isinstance(values := schema.get(keyword), list):
            yield from values
    for keyword in mappings:
        if isinstance(values := schema.get(keyword), dict):
            yield from values.values()
