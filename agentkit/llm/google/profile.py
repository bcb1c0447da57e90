"""The profile of each Gemini model: how it thinks, and whether it accepts a schema together with tools."""

from __future__ import annotations

import re

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.google.schema import gemini_output_schema
from agentkit.llm.shared.identifiers import provider_tool_name

__all__ = ["gemini_tool_name", "generation_config", "requires_signatures", "uses_output_tool"]

_SCHEMA_FIELD = "responseJsonSchema"

_BEFORE_3 = re.compile(r"gemini-(?:1|2)(?:[.-]|$)")
"""Gemini 1 and 2 accept no schema together with tools; their thinking can be turned off."""
_ALWAYS_THINKING = re.compile(r"gemini-2\.5-pro")
_MIN_BUDGET_2_5_PRO = 128
_NUMBERED = re.compile(r"gemini-\d")


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
        config[_SCHEMA_FIELD] = gemini_output_schema(request.output_schema)
    omitted = request.settings.omit or ()
    return {key: value for key, value in config.items() if key not in omitted and value is not None}


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
    """Return whether the output comes as a tool call, as the model's text can't be constrained to the schema.

    Gemini 1 and 2 can't do that together with tools, and no Gemini with some schemas.
    """
    if request.output_schema is None:
        return False
    is_omitted = _SCHEMA_FIELD in (request.settings.omit or ())
    without_tools = _BEFORE_3.search(request.model) is not None
    return is_omitted or bool(request.tools and without_tools) or gemini_output_schema(request.output_schema) is None


def requires_signatures(model: str) -> bool:
    """Return whether a model rejects tool calls in the transcript that have no thought signature."""
    return _NUMBERED.search(model) is not None and _BEFORE_3.search(model) is None


def gemini_tool_name(name: str) -> str:
    """Return a tool's name as Google accepts it: the first character is a letter or ``_``."""
    sent_name = provider_tool_name(name)
    return sent_name if sent_name[0].isalpha() or sent_name[0] == "_" else provider_tool_name(f"_:{name}")
