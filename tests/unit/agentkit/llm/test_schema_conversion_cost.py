"""The conversion of a schema for a provider takes space and time that the schema's size bounds, whatever is in it.

It runs in the worker's event loop: without an end it would stop all tasks of the worker.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from pydantic import JsonValue

from agentkit.llm.anthropic.output_schema import claude_schema
from agentkit.llm.google.schema import gemini_output_schema, gemini_schema
from agentkit.llm.openai.strict_schema import is_strict
from agentkit.llm.shared.schema_references import cyclic_references
from agentkit.schemas.schema_rules import check_schema
from tests.cpu_time import relative_cpu_s

Schema = dict[str, JsonValue]
Convert = Callable[[Mapping[str, JsonValue]], object]

CONVERTERS: dict[str, Convert] = {
    "gemini": gemini_schema,
    "gemini output": gemini_output_schema,
    "claude": claude_schema,
    "openai": is_strict,
}
DEPTH = 17
"""The number of levels, each of which doubles what an unbounded conversion returns."""
MAX_BYTES = 2_000_000
TYPES: list[JsonValue] = ["object", "array", "string", "number"]


def _doubled_references(definition: Callable[[Schema], Schema]) -> Schema:
    """Return a schema in which each definition refers twice to the next, with keywords beside the references."""
    definitions: dict[str, JsonValue] = {f"d{DEPTH}": {"type": "string"}}
    for level in range(DEPTH):
        reference: Schema = {"$ref": f"#/$defs/d{level + 1}", "description": "More."}
        definitions[f"d{level}"] = definition(reference)
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0", "title": "A"}}, "$defs": definitions}


def _nested_types(inside: Callable[[Schema], Schema]) -> Schema:
    schema: Schema = {"type": "string"}
    for _ in range(DEPTH // 2):
        schema = {"type": TYPES, "additionalProperties": False, **inside(schema)}
    return schema


def _cyclic_references() -> Schema:
    """Return definitions that must contain each other, so that Google refuses references to them."""
    definitions: dict[str, JsonValue] = {}
    for level in range(8):
        others: dict[str, JsonValue] = {f"x{other}": {"$ref": f"#/$defs/d{other}"} for other in range(8)}
        definitions[f"d{level}"] = {"type": "object", "properties": others, "required": [*others]}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions}


SCHEMAS: dict[str, Schema] = {
    "properties": _doubled_references(lambda ref: {"type": "object", "properties": {"x": ref, "y": ref}}),
    "large definitions": {
        "type": "object",
        "properties": {f"p{n}": {"$ref": "#/$defs/large", "title": "P"} for n in range(500)},
        "$defs": {"large": {"enum": [f"value {n}" for n in range(4_000)]}},
    },
    "types of properties": _nested_types(lambda inner: {"properties": {"a": inner}}),
    "types of items": _nested_types(lambda inner: {"items": inner}),
    "types of alternatives": _nested_types(lambda inner: {"anyOf": [inner]}),
    "definitions that contain each other": _cyclic_references(),
}


@pytest.mark.parametrize("convert", CONVERTERS.values(), ids=CONVERTERS)
@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_converted_schema_is_of_bounded_size(schema: Schema, convert: Convert) -> None:
    check_schema(schema)
    assert len(json.dumps(convert(schema))) < MAX_BYTES


def test_cyclic_references_are_found_in_time_linear_in_their_number() -> None:
    count = 4_000
    definitions: dict[str, JsonValue] = {
        f"d{n}": {"items": {"$ref": f"#/$defs/d{(n + 1) % count}"}} for n in range(count)
    }

    def check() -> None:
        assert len(cyclic_references({"$defs": definitions})) == count

    assert relative_cpu_s(check) < 20
