"""What each Gemini model takes: how it thinks, and whether it can be held to a schema while it has tools."""

from __future__ import annotations

import re

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.shared.identifiers import provider_tool_name

__all__ = ["checks_signatures", "generation_config", "told_schema", "uses_output_tool", "wire_function"]

_OLD = re.compile(r"gemini-(?:1|2)(?:[.-]|$)")
"""Gemini 1 and 2 know no schema beside tools, and can stop thinking."""
_ALWAYS_THINKING = re.compile(r"gemini-2\.5-pro")
_LEAST_BUDGET = 128
"""The least that Gemini 2.5 Pro can do with."""
_NUMBERED = re.compile(r"gemini-\d")
_NAMED = ("properties", "$defs", "definitions")
_NESTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_INNER = ("items", "additionalProperties")


def generation_config(request: ModelRequest) -> dict[str, JsonValue]:
    """Return how the model is to answer: what is set, in the words that it takes."""
    settings = request.settings
    written: dict[str, JsonValue] = {
        "temperature": settings.temperature,
        "maxOutputTokens": settings.max_output_tokens,
        "seed": settings.seed,
        "thinkingConfig": _thinking(request.model, settings.thinking_budget),
    }
    if request.output_schema is not None and not uses_output_tool(request):
        written["responseMimeType"] = "application/json"
        written["responseJsonSchema"] = told_schema(dict(request.output_schema))
    return {key: value for key, value in written.items() if value is not None}


def _thinking(model: str, budget: int | None) -> JsonValue:
    """Return how much to think; Gemini 3 and later can't be stopped from it, only told to be brief."""
    if budget is None:
        return None
    if budget > 0:
        return {"thinkingBudget": budget, "includeThoughts": True}
    if _ALWAYS_THINKING.search(model):
        return {"thinkingBudget": _LEAST_BUDGET}
    return {"thinkingBudget": 0} if _OLD.search(model) else {"thinkingLevel": "low"}


def uses_output_tool(request: ModelRequest) -> bool:
    """Return whether the answer comes as a function call, as the model takes no schema beside its tools."""
    return request.output_schema is not None and bool(request.tools) and _OLD.search(request.model) is not None


def checks_signatures(model: str) -> bool:
    """Return whether a model refuses function calls that lack the thought behind them."""
    return _NUMBERED.search(model) is not None and _OLD.search(model) is None


def wire_function(name: str) -> str:
    """Return a tool's name in the characters that Google allows: a letter or ``_`` first."""
    written = provider_tool_name(name)
    return written if written[0].isalpha() or written[0] == "_" else provider_tool_name(f"_:{name}")


def told_schema(schema: JsonValue) -> JsonValue:
    """Return a JSON Schema without what Google stumbles over; ``const``, which it passes over, becomes ``enum``."""
    if not isinstance(schema, dict):
        return schema
    written: dict[str, JsonValue] = {}
    for key, value in schema.items():
        if key == "const":
            written["enum"] = [value]
        elif key in _NAMED and isinstance(value, dict):
            written[key] = {name: told_schema(one) for name, one in value.items()}
        elif key in _NESTED and isinstance(value, list):
            written[key] = [told_schema(one) for one in value]
        elif key in _INNER:
            written[key] = told_schema(value)
        elif key not in ("$schema", "$id", "$comment"):
            written[key] = value
    return written
