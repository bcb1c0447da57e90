"""What both of OpenAI's APIs demand of names, ids and schemas, and which models take which settings."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.messages import ImagePart, ToolCall, ToolResult

__all__ = [
    "Effort",
    "effort",
    "enforced",
    "image_url",
    "reasons",
    "takes_temperature",
    "wire_arguments",
    "wire_id",
    "wire_name",
    "wire_result",
    "wire_schema",
    "wire_system",
]

Effort = Literal["none", "minimal", "low", "medium", "high"]

_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_NAME = 64
_MAX_ID = 40
"""Chat Completions takes no longer id of a tool call; Responses takes 64."""

_PLAIN = re.compile(r"(ft:)?(gpt-[34]|chatgpt|text-|davinci)|.*-chat\b")
"""OpenAI's models that don't reason."""
_REASONING = re.compile(r"(ft:)?(o\d|gpt-[5-9]|codex)")
"""OpenAI's models that do. Other servers have other names, of which nothing is known."""
_ALWAYS_REASONING = re.compile(r"(ft:)?(o\d|codex|gpt-5-(pro|codex))")
_MINIMAL = re.compile(r"(ft:)?gpt-5(-mini|-nano)?(-\d{4}.*)?$")

_KEYWORDS = {
    "$defs", "$ref", "additionalProperties", "anyOf", "const", "default", "definitions", "description", "enum",
    "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum",
    "multipleOf", "pattern", "properties", "required", "title", "type",
}  # fmt: skip
"""What OpenAI enforces of JSON Schema. It refuses a schema with any other keyword, if told to enforce it."""
_NAMED = ("properties", "$defs", "definitions")


def wire_name(name: str) -> str:
    """Return a tool's name in the characters that OpenAI allows; the same name always gives the same."""
    return _fitting(name, _MAX_NAME)


def wire_id(call_id: str) -> str:
    """Return a tool call's id, which another provider may have given, as short as OpenAI wants it."""
    return _fitting(call_id, _MAX_ID)


def _fitting(text: str, length: int) -> str:
    plain = _FORBIDDEN.sub("_", text)
    if plain == text and 0 < len(text) <= length:
        return text
    return f"{plain[: length - 9]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def wire_arguments(call: ToolCall) -> str:
    """Return a call's arguments as JSON; malformed ones become ``{}``, since servers parse what they are sent."""
    return json.dumps(call.arguments, ensure_ascii=False)


def wire_result(result: ToolResult) -> str:
    """Return a result's text, with a mark where it is an error: the APIs have no field for that."""
    marked = result.is_error and not result.content.startswith("Error")
    return f"Error: {result.content}" if marked else result.content


def image_url(image: ImagePart) -> str:
    """Return where an image is, or all of it as a URL."""
    if image.data is None:
        return image.url or ""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def wire_schema(schema: Mapping[str, JsonValue] | None, *, any_root: bool = False) -> dict[str, object] | None:
    """Return how an answer's schema is told; None: not at all, as OpenAI takes only objects (others ``any_root``)."""
    if schema is None or not (any_root or schema.get("type") == "object"):
        return None
    return {"name": "output", "schema": dict(schema), "strict": enforced(dict(schema))}


def wire_system(request: ModelRequest, *, any_root: bool = False) -> str:
    """Return the instructions, with the answer's schema in words where it can't be told in another way."""
    if request.output_schema is None or wire_schema(request.output_schema, any_root=any_root) is not None:
        return request.system
    told = f"Your final answer is JSON that fits this schema, and nothing else: {json.dumps(request.output_schema)}"
    return "\n\n".join(filter(None, [request.system, told]))


def enforced(schema: JsonValue) -> bool:
    """Return whether OpenAI can hold a model to the schema.

    It takes only keywords that it knows, and only objects that name all their properties and require them.
    """
    if isinstance(schema, list):
        return all(map(enforced, schema))
    if not isinstance(schema, dict):
        return True
    if not schema.keys() <= _KEYWORDS or not _closed(schema):
        return False
    named = [schema[key] for key in _NAMED if key in schema]
    inner = [one for group in named if isinstance(group, dict) for one in group.values()]
    return all(map(enforced, [*inner, schema.get("items"), schema.get("anyOf")]))


def _closed(schema: Mapping[str, JsonValue]) -> bool:
    properties = schema.get("properties")
    if schema.get("type") != "object" and not isinstance(properties, dict):
        return True
    named = sorted(properties) if isinstance(properties, dict) else []
    required = schema.get("required", [])
    all_required = isinstance(required, list) and sorted(map(str, required)) == named
    return all_required and schema.get("additionalProperties") is False


def reasons(model: str) -> bool:
    """Return whether a model may reason before it answers: all but those that are known not to."""
    return _PLAIN.match(model) is None


def takes_temperature(model: str) -> bool:
    """Return whether a model takes a temperature: OpenAI's reasoning models refuse it."""
    return _PLAIN.match(model) is not None or _REASONING.match(model) is None


def effort(model: str, budget: int | None) -> Effort | None:
    """Return how hard a model shall think, for so many tokens; None leaves it to the model.

    OpenAI's models take no number. Some can't go without thinking: they get the least that they take.
    """
    if budget is None or not reasons(model):
        return None
    if budget == 0:
        if _ALWAYS_REASONING.match(model):
            return "low"
        return "minimal" if _MINIMAL.match(model) else "none"
    if budget <= 2_048:
        return "low"
    return "medium" if budget <= 8_192 else "high"
