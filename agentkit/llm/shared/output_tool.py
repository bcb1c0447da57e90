"""A tool whose arguments are the final output: for models whose text can't be constrained to a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

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
    """Return the tool whose arguments are the output; a schema that is no object is wrapped in one."""
    parameters = dict(schema)
    if not _is_object(schema):
        # References are resolved from the root, which is now the wrapper.
        definitions = {key: value for key, value in schema.items() if key in _DEFINITIONS}
        inner = {key: value for key, value in schema.items() if key not in _DEFINITIONS}
        parameters = {"type": "object", "properties": {_WRAPPER_KEY: inner}, "required": [_WRAPPER_KEY], **definitions}
    return ToolSpec(name=OUTPUT_TOOL, description=_DESCRIPTION, parameters=parameters, effect="pure")


def output_part(call: ToolCall, schema: Mapping[str, JsonValue]) -> TextPart:
    """Return the output that a call of the tool contains, as JSON text; malformed arguments stay as written."""
    if call.malformed is not None:
        return TextPart(text=call.malformed)
    value = call.arguments if _is_object(schema) else call.arguments.get(_WRAPPER_KEY)
    return TextPart(text=json.dumps(value, ensure_ascii=False))


def _is_object(schema: Mapping[str, JsonValue]) -> bool:
    return schema.get("type") == "object"
