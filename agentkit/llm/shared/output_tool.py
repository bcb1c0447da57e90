"""A tool whose arguments are the final output: for models whose text can't be constrained to a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from agentkit.llm.shared.tool_parameters import is_plain_object
from agentkit.messages import TextPart, ToolCall
from agentkit.specs import ToolSpec

__all__ = ["OUTPUT_TOOL", "output_part", "output_tool"]

OUTPUT_TOOL = "give_final_output"

_DESCRIPTION = (
    "Gives your final answer. Call it once, by itself, as soon as you know the answer; "
    "its arguments are the answer. Write no other final answer."
)
_WRAPPER_KEY = "output"
_DEFINITIONS = ("$defs", "definitions")


def output_tool(schema: Mapping[str, JsonValue]) -> ToolSpec:
    """Return the tool whose arguments are the output; a schema that is no plain object is wrapped in one."""
    parameters = dict(schema)
    if not is_plain_object(schema):
        # References are resolved from the root, which is now the wrapper.
        moved = {key: _move_references(value, key) for key, value in schema.items()}
        definitions = {key: moved.pop(key) for key in _DEFINITIONS if key in moved}
        parameters = {"type": "object", "properties": {_WRAPPER_KEY: moved}, "required": [_WRAPPER_KEY], **definitions}
    return ToolSpec(name=OUTPUT_TOOL, description=_DESCRIPTION, parameters=parameters, effect="pure")


def output_part(call: ToolCall, schema: Mapping[str, JsonValue]) -> TextPart:
    """Return the output that a call of the tool contains, as JSON text; malformed arguments stay as written."""
    if call.malformed is not None:
        return TextPart(text=call.malformed)
    value = call.arguments if is_plain_object(schema) else call.arguments.get(_WRAPPER_KEY)
    return TextPart(text=json.dumps(value, ensure_ascii=False))


def _move_references(value: JsonValue, key: str = "") -> JsonValue:
    """Return the value of a key, with its references to the root leading to the wrapped schema."""
    if isinstance(value, list):
        return [_move_references(item) for item in value]
    if isinstance(value, dict):
        return {name: _move_references(inner, name) for name, inner in value.items()}
    if key != "$ref" or not isinstance(value, str) or not value.startswith("#"):
        return value
    is_definition = value.startswith(tuple(f"#/{name}/" for name in _DEFINITIONS))
    return value if is_definition else f"#/properties/{_WRAPPER_KEY}{value[1:]}"
