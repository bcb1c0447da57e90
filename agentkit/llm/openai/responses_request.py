"""OpenAI's Responses API: request bodies, and how they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from openai import AsyncOpenAI, AsyncStream
from openai.types.responses import ResponseStreamEvent
from pydantic import JsonValue

from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.openai.profile import (
    accepts_temperature,
    arguments_json,
    image_url,
    json_schema_format,
    may_reason,
    provider_call_id,
    reasoning_effort,
    result_text,
    system_prompt,
)
from agentkit.llm.openai.responses_stream import ResponsesResponseBuilder
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.messages import ContentPart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["ResponsesApi", "responses_body"]

_Item = dict[str, JsonValue]


class ResponsesApi:
    """The Responses API of one client. OpenAI stores nothing: each request contains the complete transcript."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._responses = client.responses  # here, as the SDK imports it on first use

    async def open_stream(self, request: ModelRequest) -> AsyncStream[ResponseStreamEvent]:
        """Send a request."""
        return await self._responses.create(
            model=request.model.partition(":")[2] or request.model,
            input=[],
            stream=True,
            store=False,
            extra_headers=request.settings.extra_headers,
            extra_body=responses_body(request),  # overrides `input`, which the SDK would check item by item
        )

    def new_builder(self, request: ModelRequest, emit: Emit | None) -> ResponsesResponseBuilder:
        """Return the builder for its response."""
        return ResponsesResponseBuilder(request, emit)


def responses_body(request: ModelRequest) -> dict[str, object]:
    """Return a request's body without the model's name: items, tools, and the settings that the model accepts.

    This API has no seed.
    """
    provider, _, name = request.model.partition(":")
    settings = request.settings
    effort = reasoning_effort(name, settings.thinking_budget)
    schema = json_schema_format(request.output_schema)
    optional: dict[str, object] = {
        "instructions": system_prompt(request) or None,
        "input": [item for message in request.messages for item in _items(message, provider)],
        "tools": _tools(request.tools) or None,
        "include": ["reasoning.encrypted_content"] if may_reason(name) else None,
        "reasoning": {"effort": effort} if effort is not None else None,
        "temperature": settings.temperature if accepts_temperature(name) else None,
        "max_output_tokens": settings.max_output_tokens,
        "text": {"format": {"type": "json_schema", **schema}} if schema is not None else None,
    }
    return {key: value for key, value in optional.items() if value is not None}


def _tools(tools: Iterable[ToolSpec]) -> list[_Item]:
    """Return the tools as functions, not strict: those would have to require all their arguments."""
    return [
        {
            "type": "function",
            "name": provider_tool_name(tool.name),
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": False,
        }
        for tool in tools
    ]


def _items(message: Message, provider: str) -> Iterator[_Item]:
    match message.role:
        case "user":
            yield {"role": "user", "content": _content(message.parts)}
        case "assistant":
            yield from _assistant_items(message.parts, provider)
        case "tool":
            yield from (_result(part) for part in message.parts if isinstance(part, ToolResult))


def _content(parts: Sequence[ContentPart]) -> JsonValue:
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    content: list[JsonValue] = []
    for part in parts:
        if isinstance(part, TextPart):
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, ImagePart):
            content.append({"type": "input_image", "image_url": image_url(part), "detail": "auto"})
    return content


def _assistant_items(parts: Sequence[ContentPart], provider: str) -> Iterator[_Item]:
    """Yield a response of a model in order, without reasoning at its end: the API rejects reasoning before nothing."""
    last = max((index for index, part in enumerate(parts) if isinstance(part, TextPart | ToolCall)), default=-1)
    phase: JsonValue = None
    for part in parts[: last + 1]:
        match part:
            case ThinkingPart(data=dict() as item) if part.provider == provider:
                if item.get("type") == "reasoning":
                    yield item
                phase = item.get("phase")
            case TextPart():
                text: _Item = {"role": "assistant", "content": part.text}
                yield text if phase is None else {**text, "phase": phase}
            case ToolCall():
                call: _Item = {"call_id": provider_call_id(part.id), "name": provider_tool_name(part.name)}
                yield {"type": "function_call", **call, "arguments": arguments_json(part)}


def _result(result: ToolResult) -> _Item:
    return {
        "type": "function_call_output",
        "call_id": provider_call_id(result.call_id),
        "output": result_text(result),
    }
