"""OpenAI's Chat Completions API, which nearly every server offers: its request bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from pydantic import JsonValue

from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.openai.chat_messages import chat_messages
from agentkit.llm.openai.chat_stream import ChatResponseBuilder
from agentkit.llm.openai.profile import (
    OutputMode,
    accepts_format_with_tools,
    accepts_temperature,
    json_schema_format,
    output_mode,
    reasoning_effort,
    system_prompt,
)
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.llm.shared.output_tool import output_tool
from agentkit.llm.shared.refused_fields import any_mention, quoted
from agentkit.llm.shared.tool_parameters import object_parameters
from agentkit.specs import ToolSpec

__all__ = ["ChatCompletionsApi", "chat_body"]

_STREAM_OPTIONS = "stream_options"
_LIMIT_NAMES = ("max_completion_tokens", "max_tokens")
"""The new name of the output limit, which OpenAI requires, and the old one, which many other servers require."""


def _other_name_wanted(name: str) -> re.Pattern[str]:
    """Return the pattern of errors that reject the name of a limit, and not its value."""
    refusal = "unsupported|not supported|not permitted|unknown|unrecognized|unexpected|extra"
    return re.compile(
        rf"(?:{refusal})[^.]{{0,80}}\b{name}\b|\b{name}\b[^.]{{0,80}}(?:{refusal})", re.IGNORECASE | re.DOTALL
    )


_OPTIONAL_FIELDS: Mapping[str, re.Pattern[str]] = {
    **{
        name: any_mention(name)
        for name in (
            _STREAM_OPTIONS,
            "response_format",
            "reasoning_content",
            "reasoning_details",
            "reasoning_text",
            "extra_content",
        )
    },
    "reasoning": quoted("reasoning"),
    "thinking": quoted("thinking"),
    **{name: _other_name_wanted(name) for name in _LIMIT_NAMES},
}


class ChatCompletionsApi:
    """The Chat Completions API as one provider has it."""

    path = "chat/completions"
    optional_fields = _OPTIONAL_FIELDS

    def __init__(
        self,
        *,
        provider: str,
        body: Callable[[ModelRequest, str], dict[str, object]] | None = None,
    ) -> None:
        """Set up the rules of a provider.

        Args:
            provider: whose rules apply; one of the names in ``agentkit.config.providers``.
            body: returns a request's body, without the model's name; None: ``chat_body``.
        """
        self._provider = provider
        self._chat_body = body or chat_body

    def body(self, request: ModelRequest) -> Mapping[str, object]:
        """Return a request's body without the model's name."""
        asks_for_usage = _STREAM_OPTIONS not in (request.settings.omit or ())
        options = {_STREAM_OPTIONS: {"include_usage": True}} if asks_for_usage else {}
        return {**self._chat_body(request, self._provider), **options}

    def new_builder(self, request: ModelRequest, emit: Emit | None) -> ChatResponseBuilder:
        """Return a builder for the response to ``request``."""
        return ChatResponseBuilder(request, emit, output_tool=_output_mode(request, self._provider) == "tool")


def _output_mode(request: ModelRequest, provider: str) -> OutputMode | None:
    with_tools = accepts_format_with_tools(provider, request.model.partition(":")[2])
    any_root = provider == "openai-compatible"
    return output_mode(request, format_field="response_format", any_root=any_root, with_tools=with_tools)


def chat_body(request: ModelRequest, provider: str) -> dict[str, object]:
    """Return a request's body without the model's name: messages, tools, and the settings that the model accepts."""
    name = request.model.partition(":")[2]
    settings = request.settings
    omitted = frozenset(settings.omit or ())
    mode = _output_mode(request, provider)
    body: dict[str, object] = {"messages": chat_messages(request, provider, system_prompt(request, mode))}
    tools = [*request.tools]
    if mode == "tool" and request.output_schema is not None:
        tools.append(output_tool(request.output_schema))
    limit_names = _LIMIT_NAMES if provider == "openai" else _LIMIT_NAMES[::-1]
    optional: dict[str, object] = {
        "tools": _tools(tools) or None,
        "temperature": settings.temperature if accepts_temperature(name) else None,
        next((limit for limit in limit_names if limit not in omitted), ""): settings.max_output_tokens,
        "seed": settings.seed,
        "reasoning_effort": reasoning_effort(name, settings.thinking_budget),
    }
    if mode == "format":
        schema = json_schema_format(request.output_schema, any_root=provider == "openai-compatible")
        optional["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body | {key: value for key, value in optional.items() if key not in {"", *omitted} and value is not None}


def _tools(tools: Iterable[ToolSpec]) -> list[dict[str, JsonValue]]:
    return [
        {
            "type": "function",
            "function": {
                "name": provider_tool_name(tool.name),
                "description": tool.description,
                "parameters": object_parameters(tool.parameters),
            },
        }
        for tool in tools
    ]
