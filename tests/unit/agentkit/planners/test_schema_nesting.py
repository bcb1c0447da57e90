from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import JsonValue

from agentkit.planners.schema_nesting import nest_schema


def validator(**schemas: dict[str, JsonValue]) -> Draft202012Validator:
    """Return a validator of objects whose properties have these schemas, nested in one document."""
    definitions: dict[str, JsonValue] = {}
    properties: Any = {name: nest_schema(schema, name, definitions) for name, schema in schemas.items()}
    return Draft202012Validator({"properties": properties, "$defs": definitions})


@pytest.mark.parametrize("key", ["$defs", "definitions"])
def test_references_to_definitions_are_resolved_inside_the_outer_schema(key: str) -> None:
    schema: dict[str, JsonValue] = {"$ref": f"#/{key}/Place", key: {"Place": {"type": "string"}}}
    nested = validator(at=schema)
    assert nested.is_valid({"at": "sky"})
    assert not nested.is_valid({"at": 1})


def test_definitions_with_the_same_name_stay_separate() -> None:
    nested = validator(
        text={"$ref": "#/$defs/Value", "$defs": {"Value": {"type": "string"}}},
        number={"$ref": "#/$defs/Value", "$defs": {"Value": {"type": "integer"}}},
    )
    assert nested.is_valid({"text": "a", "number": 1})
    assert not nested.is_valid({"text": 1, "number": 1})
    assert not nested.is_valid({"text": "a", "number": "a"})


def test_references_to_the_root_refer_to_the_nested_schema() -> None:
    tree: dict[str, JsonValue] = {
        "type": "object",
        "required": ["value"],
        "properties": {"value": {"type": "integer"}, "next": {"$ref": "#"}, "again": {"$ref": "#/properties/value"}},
    }
    nested = validator(tree=tree)
    assert nested.is_valid({"tree": {"value": 1, "next": {"value": 2}, "again": 3}})
    assert not nested.is_valid({"tree": {"value": 1, "next": {}}})
    assert not nested.is_valid({"tree": {"value": 1, "again": "x"}})


def test_keys_of_the_documents_root_are_left_out() -> None:
    schema: dict[str, JsonValue] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:a"}
    assert nest_schema(schema | {"type": "string"}, "a", {}) == {"type": "string"}


def test_references_to_other_documents_are_unchanged() -> None:
    assert nest_schema({"$ref": "https://example.org/schema"}, "a", {}) == {"$ref": "https://example.org/schema"}
