"""What OpenAI's APIs require of results and schemas, and which models accept which settings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.strict_schema import is_strict
from agentkit.messages import ToolCall, ToolResult

__all__ = [
    "DEFAULT_FILE_NAME",
    "Effort",
    "OutputMode",
    "accepts_format_with_tools",
    "accepts_temperature",
    "arguments_json",
    "json_schema_format",
    "may_reason",
    "output_mode",
    "reasoning_effort",
    "requires_reasoning",
    "result_text",
    "system_prompt",
]

DEFAULT_FILE_NAME = "file"
"""The name of a file without one: the APIs require a name."""

Effort = Literal["none", "minimal", "low", "medium", "high"]
OutputMode = Literal["format", "tool", "instructions"]
"""How a request states its output schema: constraining the text, as a tool to call, or in words."""

_NOT_REASONING = re.compile(r"(ft:)?(gpt-[34]|chatgpt|text-|davinci)|.*-chat\b")
"""OpenAI's models that don't reason."""
_REASONING = re.compile(r"(ft:)?(o\d|gpt-[5-9]|codex)")
"""OpenAI's models that do. Models of other servers have other names and may be of either kind."""
_ALWAYS_REASONING = re.compile(r"(ft:)?(o\d|codex|gpt-5-(pro|codex))")
_MINIMAL_EFFORT = re.compile(r"(ft:)?gpt-5(-mini|-nano)?(-\d{4}.*)?$")
"""Models whose lowest effort is ``minimal``."""
_REQUIRES_REASONING = re.compile(r"deepseek|kimi", re.IGNORECASE)
_MAX_LOW_BUDGET = 2_048
_MAX_MEDIUM_BUDGET = 8_192
"""Tokens of a thinking budget; there is no exact counterpart to an effort."""


def arguments_json(call: ToolCall) -> str:
    """Return a call's arguments as JSON; malformed ones become ``{}``, as servers parse what they receive."""
    return json.dumps(call.arguments, ensure_ascii=False)


def result_text(result: ToolResult) -> str:
    """Return a result's text; an error starts with ``Error``, as the APIs have no field for that."""
    needs_prefix = result.is_error and not result.content.startswith("Error")
    return f"Error: {result.content}" if needs_prefix else result.content


def json_schema_format(schema: Mapping[str, JsonValue] | None, *, any_root: bool = False) -> dict[str, object] | None:
    """Return the format parameter for an output schema; None if it can't be sent.

    OpenAI accepts only objects at the root; other servers may accept anything (``any_root``).
    """
    if schema is None or not (any_root or schema.get("type") == "object"):
        return None
    return {"name": "output", "schema": dict(schema), "strict": is_strict(schema)}


def output_mode(
    request: ModelRequest, *, format_field: str, any_root: bool = False, with_tools: bool = True
) -> OutputMode | None:
    """Return how the output schema of a request is sent; None if it has none.

    ``format_field`` is the field that it would be sent in, ``any_root`` that of ``json_schema_format``, and
    ``with_tools`` whether the server accepts that field and tools together.
    """
    if request.output_schema is None:
        return None
    is_omitted = format_field in (request.settings.omit or ())
    can_be_sent = json_schema_format(request.output_schema, any_root=any_root) is not None
    if can_be_sent and not is_omitted and (with_tools or not request.tools):
        return "format"
    return "tool" if request.tools else "instructions"


def system_prompt(request: ModelRequest, mode: OutputMode | None) -> str:
    """Return the instructions, with the output schema appended if that is how it is sent."""
    if mode != "instructions":
        return request.system
    demand = f"Your final answer is JSON that fits this schema, and nothing else: {json.dumps(request.output_schema)}"
    return "\n\n".join(filter(None, [request.system, demand]))


def accepts_format_with_tools(provider: str, model: str) -> bool:
    """Return whether a model can call tools although its text is constrained to a schema.

    Most servers constrain all that the model writes, so that it can't call a tool; some reject such requests.
    """
    if provider == "openrouter":
        return model.startswith("openai/") and not model.startswith("openai/gpt-oss")
    return provider == "openai"


def requires_reasoning(provider: str, model: str) -> bool:
    """Return whether a server rejects tool calls without reasoning, also those of other models."""
    return provider != "openrouter" and _REQUIRES_REASONING.search(model) is not None


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
