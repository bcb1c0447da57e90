"""Schemas of both versions become JSON Schema with definitions."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.openapi.openapi_document import OpenApiDocument, OpenApiIssue
from agentkit.openapi.openapi_schemas import SchemaConverter

PETS: JsonValue = {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}
SCHEMAS: JsonValue = {
    "Pet": {"type": "object", "properties": {"owner": {"$ref": "#/components/schemas/Owner"}}},
    "Owner": {
        "type": "object",
        "properties": {"pets": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}},
    },
}


def converter(*, is_v30: bool) -> SchemaConverter:
    other: JsonValue = {"Pet": {"schema": {"type": "string"}}}
    return SchemaConverter(OpenApiDocument({"components": {"schemas": SCHEMAS, "headers": other}}, is_v30))


def test_schemas_that_refer_to_each_other_become_definitions() -> None:
    schemas = converter(is_v30=False)
    assert schemas.convert({"$ref": "#/components/schemas/Pet", "description": "A pet."}, ()) == {
        "$ref": "#/$defs/Pet",
        "description": "A pet.",
    }
    assert schemas.definitions == {
        "Pet": {"type": "object", "properties": {"owner": {"$ref": "#/$defs/Owner"}}},
        "Owner": {"type": "object", "properties": {"pets": {"type": "array", "items": {"$ref": "#/$defs/Pet"}}}},
    }


def test_definitions_of_the_same_name_are_told_apart() -> None:
    schemas = converter(is_v30=True)
    schemas.convert({"$ref": "#/components/schemas/Pet"}, ())
    assert schemas.convert({"$ref": "#/components/headers/Pet"}, ()) == {"$ref": "#/$defs/Pet_2"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        (
            {"oneOf": [{"type": "string"}], "nullable": True},
            {"anyOf": [{"oneOf": [{"type": "string"}]}, {"type": "null"}]},
        ),
        ({"type": "integer", "maximum": 5, "exclusiveMaximum": True}, {"type": "integer", "exclusiveMaximum": 5}),
        ({"type": "integer", "maximum": 5, "exclusiveMaximum": False}, {"type": "integer", "maximum": 5}),
        (
            {"type": "string", "example": 1, "xml": {}, "x-a": 1, "deprecated": True},
            {"type": "string", "deprecated": True},
        ),
        (
            {"properties": {"id": {"readOnly": True}, "example": {"type": "string"}}, "required": ["id", "example"]},
            {"properties": {"example": {"type": "string"}}, "required": ["example"]},
        ),
        (True, True),
    ],
    ids=["nullable", "nullable oneOf", "exclusive", "not exclusive", "annotations", "read-only", "any"],
)
def test_a_schema_of_version_3_0_becomes_json_schema(schema: JsonValue, expected: JsonValue) -> None:
    assert converter(is_v30=True).convert(schema, ()) == expected


def test_a_reference_that_leads_nowhere_is_named_with_its_place() -> None:
    with pytest.raises(OpenApiIssue, match="'#/components/schemas/None' leads nowhere") as raised:
        converter(is_v30=False).convert({"allOf": [{"$ref": "#/components/schemas/None"}]}, ("a",))
    assert raised.value.path == ("a", "allOf", 0, "$ref")
