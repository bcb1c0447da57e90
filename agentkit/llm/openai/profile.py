"""What OpenAI's APIs require of ids, results and schemas, and which models accept which settings."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.shared.identifiers import fit_identifier
from agentkit.messages import ImagePart, ToolCall, ToolResult

__all__ = [
    "Effort",
    "accepts_temperature",
    "arguments_json",
    "image_url",
    "is_strict",
    "json_schema_format",
    "may_reason",
    "provider_call_id",
    "reasoning_effort",
    "result_text",
    "system_prompt",
]

Effort = Literal["none", "minimal", "low", "medium", "high"]

_MAX_CALL_ID = 40
"""The limit of Chat Completions for the id of a tool call; Responses accepts 64 characters."""

_NOT_REASONING = re.compile(r"(ft:)?(gpt-[34]|chatgpt|text-|davinci)|.*-chat\b")
"""OpenAI's models that don't reason."""
_REASONING = re.compile(r"(ft:)?(o\d|gpt-[5-9]|codex)")
"""OpenAI's models that do. Models of other servers have other names and may be of either kind."""
_ALWAYS_REASONING = re.compile(r"(ft:)?(o\d|codex|gpt-5-(pro|codex))")
_MINIMAL_EFFORT = re.compile(r"(ft:)?gpt-5(-mini|-nano)?(-\d{4}.*)?$")
"""Models whose lowest effort is ``minimal``."""
_MAX_LOW_BUDGET = 2_048
_MAX_MEDIUM_BUDGET = 8_192
"""Tokens of a thinking budget; there is no exact counterpart to an effort."""

_STRICT_KEYWORDS = {
    "$defs", "$ref", "additionalProperties", "anyOf", "const", "default", "definitions", "description", "enum",
    "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum",
    "multipleOf", "pattern", "properties", "required", "title", "type",
}  # fmt: skip
"""The keywords of JSON Schema that OpenAI enforces. It rejects a strict schema with any other."""
_NAMED_SCHEMAS = ("properties", "$defs", "definitions")


def provider_call_id(call_id: str) -> str:
    """Return a tool call's id, which another provider may have given, in at most 40 allowed characters."""
    return fit_identifier(call_id, _MAX_CALL_ID)


def arguments_json(call: ToolCall) -> str:
    """Return a call's arguments as JSON; malformed ones become ``{}``, as servers parse what they receive."""
    return json.dumps(call.arguments, ensure_ascii=False)


def result_text(result: ToolResult) -> str:
    """Return a result's text; an error starts with ``Error``, as the APIs have no field for that."""
    needs_prefix = result.is_error and not result.content.startswith("Error")
    return f"Error: {result.content}" if needs_prefix else result.content


def image_url(image: ImagePart) -> str:
    """Return an image's URL, or a data URL with its content."""
    if image.data is None:
        return image.url or ""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def json_schema_format(schema: Mapping[str, JsonValue] | None, *, any_root: bool = False) -> dict[str, object] | None:
    """Return the format parameter for an output schema; None if it can't be sent.

    OpenAI accepts only objects at the root; other servers may accept anything (``any_root``).
    """
    if schema is None or not (any_root or schema.get("type") == "object"):
        return None
    return {"name": "output", "schema": dict(schema), "strict": is_strict(dict(schema))}


def system_prompt(request: ModelRequest, *, any_root: bool = False) -> str:
    """Return the instructions, with the output schema appended if ``json_schema_format`` can't express it."""
    if request.output_schema is None or json_schema_format(request.output_schema, any_root=any_root) is not None:
        return request.system
    demand = f"Your final answer is JSON that fits this schema, and nothing else: {json.dumps(request.output_schema)}"
    return "\n\n".join(filter(None, [request.system, demand]))


def is_strict(schema: JsonValue) -> bool:
    """Return whether OpenAI can enforce the schema: it has only known keywords, and all its objects are closed."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if not schema.keys() <= _STRICT_KEYWORDS or not _is_closed(schema):
        return False
    groups = [schema[key] for key in _NAMED_SCHEMAS if key in schema]
    nested = [subschema for group in groups if isinstance(group, dict) for subschema in group.values()]
    return all(map(is_strict, [*nested, schema.get("items"), schema.get("anyOf")]))


def _is_closed(schema: Mapping[str, JsonValue]) -> bool:
    """Return whether an object names all its properties and requires them; true for any other type."""
    properties = schema.get("properties")
    if schema.get("type") != "object" and not isinstance(properties, dict):
        return True
    names = sorted(properties) if isinstance(properties, dict) else []
    required = schema.get("required", [])
    all_required = isinstance(required, list) and sorted(map(str, required)) == names
    return all_required and schema.get("additionalProperties") is False


def may_reason(model: str) -> bool:
    """Return whether a model may reason before it responds: all except those that are known not to."""
    return _NOT_REASONING.match(model) is None


def accepts_temperature(model: str) -> bool:
    """Return whether a model accepts a temperature: OpenAI's reasoning models reject it."""
    return _NOT_REASONING.match(model) is not None or _REASONING.match(model) is None


def reasoning_effort(model: str, budget: int | None) -> Effort | None:
    """Return the effort for a thinking budget in tokens; None leaves it to the model.

    OpenAI's models accept no number. Those that always reason get the lowest effort that they accept.
    """
    if budget is None or not may_reason(model):
        return None
    if budget == 0:
        if _ALWAYS_REASONING.match(model):
            return "low"
        return "minimal" if _MINIMAL_EFFORT.match(model) else "none"
    if budget <= _MAX_LOW_BUDGET:
        return "low"
    return "medium" if budget <= _MAX_MEDIUM_BUDGET else "high"
