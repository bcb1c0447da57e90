"""Schemas of OpenAPI documents as JSON Schema, with what they refer to in ``$defs``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from agentkit.openapi.openapi_document import Node, OpenApiDocument

__all__ = ["SchemaConverter"]

_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_DROPPED = ("example", "examples", "xml", "externalDocs", "discriminator", "nullable", "readOnly", "writeOnly")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")


class SchemaConverter:
    """Converts the schemas of one operation's arguments."""

    def __init__(self, document: OpenApiDocument) -> None:
        self._document = document
        self._names: dict[str, str] = {}
        """The names of definitions, by reference."""
        self.definitions: dict[str, JsonValue] = {}
        """The schemas that the converted ones refer to."""

    def convert(self, schema: JsonValue | Node, path: tuple[str | int, ...]) -> JsonValue:
        """Return the JSON Schema; ``path`` is the schema's place, for errors.

        Raises:
            OpenApiIssue: a reference leads nowhere, or to another document.
        """
        if not isinstance(schema, Mapping):
            return schema if isinstance(schema, bool) else {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            target: dict[str, JsonValue] = {"$ref": f"#/$defs/{self._define(reference, path)}"}
            others = {} if self._document.is_v30 else {key: item for key, item in schema.items() if key != "$ref"}
            return {**self._converted(others, path), **target}
        return self._converted(schema, path)

    def _define(self, reference: str, path: tuple[str | int, ...]) -> str:
        if reference in self._names:
            return self._names[reference]
        target = self._document.lookup(reference, path)
        name = unique = _NOT_IN_NAMES.sub("_", reference.rsplit("/", 1)[-1]) or "root"
        number = 1
        while unique in self.definitions:
            number += 1
            unique = f"{name}_{number}"
        self._names[reference] = unique
        self.definitions[unique] = {}  # the name is taken while the schema, which may refer to itself, is converted
        self.definitions[unique] = self.convert(target, path)
        return unique

    def _converted(self, schema: Node, path: tuple[str | int, ...]) -> dict[str, JsonValue]:
        result: dict[str, JsonValue] = {}
        for key, value in schema.items():
            inside = (*path, key)
            if key in _DROPPED or key.startswith("x-"):
                continue
            if key in _MAPS and isinstance(value, dict):
                result[key] = {name: self.convert(item, (*inside, name)) for name, item in value.items()}
            elif key in _LISTS and isinstance(value, list):
                result[key] = [self.convert(item, (*inside, index)) for index, item in enumerate(value)]
            elif key in _SINGLE:
                result[key] = self.convert(value, inside)
            else:
                result[key] = value
        self._drop_read_only(schema, result)
        return _as_2020(schema, result) if self._document.is_v30 else result

    def _drop_read_only(self, schema: Node, result: dict[str, JsonValue]) -> None:
        """Remove the properties that only responses have."""
        properties, converted = schema.get("properties"), result.get("properties")
        if not isinstance(properties, dict) or not isinstance(converted, dict):
            return
        inner = {name: item for name, item in properties.items() if isinstance(item, dict)}
        read_only = {name for name, item in inner.items() if item.get("readOnly") is True}
        result["properties"] = {name: item for name, item in converted.items() if name not in read_only}
        required = result.get("required")
        if isinstance(required, list) and read_only:
            result["required"] = [name for name in required if name not in read_only]


def _as_2020(schema: Node, result: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a schema of OpenAPI 3.0 as one of JSON Schema 2020-12."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(result.get(exclusive), bool) and result.pop(exclusive) and bound in result:
            result[exclusive] = result.pop(bound)
    if schema.get("nullable") is not True:
        return result
    if isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
        if isinstance(values := result.get("enum"), list) and None not in values:
            result["enum"] = [*values, None]
        return result
    return {"anyOf": [result, {"type": "null"}]}
