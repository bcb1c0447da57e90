"""The profile of each Gemini model: how it thinks, and whether it accepts a schema together with tools."""

from __future__ import annotations

import re

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.shared.identifiers import provider_tool_name

__all__ = ["gemini_schema", "gemini_tool_name", "generation_config", "requires_signatures", "uses_output_tool"]

_BEFORE_3 = re.compile(r"gemini-(?:1|2)(?:[.-]|$)")
"""Gemini 1 and 2 accept no schema together with tools; their thinking can be turned off."""
_ALWAYS_THINKING = re.compile(r"gemini-2\.5-pro")
_MIN_BUDGET_2_5_PRO = 128
_NUMBERED = re.compile(r"gemini-\d")
_MAPS_OF_SCHEMAS = ("properties", "$defs", "definitions")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties")


def generation_config(request: ModelRequest) -> dict[str, JsonValue]:
    """Return the ``generationConfig`` of a request: only the settings that are set."""
    settings = request.settings
    config: dict[str, JsonValue] = {
        "temperature": settings.temperature,
        "maxOutputTokens": settings.max_output_tokens,
        "seed": settings.seed,
        "thinkingConfig": _thinking_config(request.model, settings.thinking_budget),
    }
    if request.output_schema is not None and not uses_output_tool(request):
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = gemini_schema(dict(request.output_schema))
    return {key: value for key, value in config.items() if value is not None}


def _thinking_config(model: str, budget: int | None) -> JsonValue:
    """Return how much to think: from Gemini 3 on, thinking can be reduced but not turned off."""
    if budget is None:
        return None
    if budget > 0:
        return {"thinkingBudget": budget, "includeThoughts": True}
    if _ALWAYS_THINKING.search(model):
        return {"thinkingBudget": _MIN_BUDGET_2_5_PRO}
    return {"thinkingBudget": 0} if _BEFORE_3.search(model) else {"thinkingLevel": "low"}


def uses_output_tool(request: ModelRequest) -> bool:
    """Return whether the output comes as a tool call, as the model accepts no schema together with tools."""
    return request.output_schema is not None and bool(request.tools) and _BEFORE_3.search(request.model) is not None


def requires_signatures(model: str) -> bool:
    """Return whether a model rejects tool calls in the transcript that have no thought signature."""
    return _NUMBERED.search(model) is not None and _BEFORE_3.search(model) is None


def gemini_tool_name(name: str) -> str:
    """Return a tool's name as Google accepts it: the first character is a letter or ``_``."""
    sent_name = provider_tool_name(name)
    return sent_name if sent_name[0].isalpha() or sent_name[0] == "_" else provider_tool_name(f"_:{name}")


def gemini_schema(schema: JsonValue) -> JsonValue:
    """Return a JSON Schema without the keywords that Google rejects; ``const``, which it ignores, becomes ``enum``."""
    if not isinstance(schema, dict):
        return schema
    converted: dict[str, JsonValue] = {}
    for key, value in schema.items():
        if key == "const":
            converted["enum"] = [value]
        elif key in _MAPS_OF_SCHEMAS and isinstance(value, dict):
            converted[key] = {name: gemini_schema(inner) for name, inner in value.items()}
        elif key in _LISTS_OF_SCHEMAS and isinstance(value, list):
            converted[key] = [gemini_schema(inner) for inner in value]
        elif key in _SCHEMAS:
            converted[key] = gemini_schema(value)
        elif key not in ("$schema", "$id", "$comment"):
            converted[key] = value
    return converted
