from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.llm.shared.output_tool import OUTPUT_TOOL, output_part, output_tool
from agentkit.messages import ToolCall

OBJECT: dict[str, JsonValue] = {"type": "object", "properties": {"city": {"type": "string"}}}
ARRAY: dict[str, JsonValue] = {
    "type": "array",
    "items": {"$ref": "#/$defs/city"},
    "$defs": {"city": {"type": "string"}},
}


def test_an_object_schema_is_the_parameters() -> None:
    assert output_tool(OBJECT).parameters == OBJECT


def test_another_schema_is_wrapped_in_an_object_and_its_definitions_stay_at_the_root() -> None:
    assert output_tool(ARRAY).parameters == {
        "type": "object",
        "properties": {"output": {"type": "array", "items": {"$ref": "#/$defs/city"}}},
        "required": ["output"],
        "$defs": {"city": {"type": "string"}},
    }


@pytest.mark.parametrize(
    ("schema", "call", "text"),
    [
        pytest.param(OBJECT, ToolCall(id="1", name=OUTPUT_TOOL, arguments={"city": "Zürich"}), '{"city": "Zürich"}',
                     id="object"),
        pytest.param(ARRAY, ToolCall(id="1", name=OUTPUT_TOOL, arguments={"output": [1]}), "[1]", id="wrapped"),
        pytest.param(OBJECT, ToolCall(id="1", name=OUTPUT_TOOL, malformed="{no"), "{no", id="malformed"),
    ],
)  # fmt: skip
def test_a_call_becomes_the_text_of_the_output(schema: dict[str, JsonValue], call: ToolCall, text: str) -> None:
    assert output_part(call, schema).text == text


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"$ref": "#/$defs/A", "$defs": {"A": OBJECT}}, {"$ref": "#/$defs/A"}, id="a definition"),
        pytest.param({"items": {"$ref": "#"}}, {"items": {"$ref": "#/properties/output"}}, id="the root"),
        pytest.param({"type": "object", "anyOf": [OBJECT]}, {"type": "object", "anyOf": [OBJECT]}, id="alternatives"),
    ],
)  # fmt: skip
def test_references_in_a_wrapped_schema_lead_to_the_same_schemas(
    schema: dict[str, JsonValue], expected: JsonValue
) -> None:
    assert output_tool(schema).parameters["properties"] == {"output": expected}
