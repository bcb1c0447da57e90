"""Hold an answer to a JSON Schema by a tool, where a provider can't hold its text to one."""

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
_KEY = "output"
_DEFINITIONS = ("$defs", "definitions")


def output_tool(schema: Mapping[str, JsonValue]) -> ToolSpec:
    """Return the tool whose arguments are the answer; what is no object is wrapped in one."""
    parameters = dict(schema)
    if not _is_object(schema):
        # References start at the root, which the wrapper is now.
        definitions = {key: value for key, value in schema.items() if key in _DEFINITIONS}
        inner = {key: value for key, value in schema.items() if key not in _DEFINITIONS}
        parameters = {"type": "object", "properties": {_KEY: inner}, "required": [_KEY], **definitions}
    return ToolSpec(name=OUTPUT_TOOL, description=_DESCRIPTION, parameters=parameters, effect="pure")


def output_part(call: ToolCall, schema: Mapping[str, JsonValue]) -> TextPart:
    """Return the answer that a call of the tool stands for, as the text it would have been."""
    if call.malformed is not None:
        return TextPart(text=call.malformed)
    value = call.arguments if _is_object(schema) else call.arguments.get(_KEY)
    return TextPart(text=json.dumps(value, ensure_ascii=False))


def _is_object(schema: Mapping[str, JsonValue]) -> bool:
    return schema.get("type") == "object"
