from __future__ import annotations

import pytest
from pydantic import BaseModel, Field, JsonValue

from agentkit.llm.openai.strict_schema import is_strict

CLOSED: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
NODE: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
    "required": ["kids"],
    "additionalProperties": False,
}


def _with(city: JsonValue, **fields: JsonValue) -> dict[str, JsonValue]:
    return {**CLOSED, "properties": {"city": city}, **fields}


def _nested(depth: int) -> dict[str, JsonValue]:
    return CLOSED if depth == 1 else _with(_nested(depth - 1))


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(CLOSED, id="closed"),
        pytest.param({"type": "object", "additionalProperties": False}, id="empty"),
        pytest.param(_with({"anyOf": [CLOSED, {"type": "null"}]}), id="closed inside"),
        pytest.param({**CLOSED, "properties": {"allOf": {"type": "string"}}, "required": ["allOf"]},
                     id="a property named like a keyword"),
        pytest.param({**NODE, "$defs": {"Node": NODE}}, id="a schema that refers to itself"),
        pytest.param(_with({"$ref": "#"}), id="a reference to the root"),
        pytest.param(_with({"$ref": "#/definitions/A"}, definitions={"A": CLOSED}), id="definitions"),
        pytest.param(_with({"type": ["string", "null"]}), id="several types"),
        pytest.param(_with({"type": "array", "items": {"type": "string"}}), id="a list"),
        pytest.param(_nested(10), id="ten objects inside each other"),
        *(
            pytest.param(_with({"type": "string", "format": name}), id=name)
            for name in ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
        ),
    ],
)  # fmt: skip
def test_a_schema_is_strict_if_openai_accepts_it_in_strict_mode(schema: dict[str, JsonValue]) -> None:
    assert is_strict(schema)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({**CLOSED, "additionalProperties": True}, id="open"),
        pytest.param({**CLOSED, "required": []}, id="optional property"),
        pytest.param({**CLOSED, "required": None}, id="nothing required"),
        pytest.param(_with({"type": "object"}), id="open inside"),
        pytest.param(_with({"type": ["object", "null"], "properties": {}}), id="open, or null"),
        pytest.param(_with({"type": "array", "items": {"type": "object"}}), id="open in a list"),
        pytest.param(_with({"type": "array"}), id="a list of anything"),
        pytest.param(_with({"type": ["array", "null"]}), id="a list of anything, or null"),
        pytest.param(_with({"type": "string", "minLength": 3}), id="a keyword that OpenAI lacks"),
        pytest.param(_with({"allOf": [{"type": "string"}]}), id="allOf"),
        pytest.param({**CLOSED, "$defs": {"x": {"type": "object"}}}, id="open in a definition"),
        pytest.param(_with({"type": "string", "default": "x"}), id="a default"),
        pytest.param(_with({}), id="any value"),
        pytest.param(_with(True), id="any value, as a boolean"),
        pytest.param(_with({"enum": ["a", "b"]}), id="values without a type"),
        pytest.param(_with({"$ref": "#/properties/other"}), id="a reference to no definition"),
        pytest.param({**CLOSED, "anyOf": [CLOSED]}, id="alternatives at the root"),
        pytest.param({"$ref": "#/$defs/A", "$defs": {"A": CLOSED}}, id="a reference at the root"),
        pytest.param(_nested(11), id="eleven objects inside each other"),
        pytest.param(_with({"type": "string", "enum": [str(number) for number in range(1_001)]}), id="1,001 values"),
        *(
            pytest.param(_with({"type": "string", "format": name}), id=name)
            for name in ("uri", "uri-reference", "regex", "binary", "int64")
        ),
    ],
)
def test_a_schema_that_openai_rejects_in_strict_mode_is_not_strict(schema: dict[str, JsonValue]) -> None:
    assert not is_strict(schema)


def test_a_described_field_of_another_model_is_not_strict() -> None:
    class Place(BaseModel, extra="forbid"):
        city: str

    class Report(BaseModel, extra="forbid"):
        place: Place = Field(description="Where")

    schema = Report.model_json_schema()
    assert schema["properties"]["place"] == {"$ref": "#/$defs/Place", "description": "Where"}
    assert not is_strict(schema)
