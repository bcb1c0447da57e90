"""OpenAI's Responses format: write our requests in it, and send them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from openai import AsyncOpenAI, AsyncStream
from openai.types.responses import ResponseStreamEvent
from pydantic import JsonValue

from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.openai.profile import (
    effort,
    image_url,
    reasons,
    takes_temperature,
    wire_arguments,
    wire_id,
    wire_name,
    wire_result,
    wire_schema,
    wire_system,
)
from agentkit.llm.openai.responses_stream import ResponsesAnswer
from agentkit.messages import ContentPart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["ResponsesWire", "responses_body"]

_Item = dict[str, JsonValue]


class ResponsesWire:
    """The Responses API of one client. Nothing is stored there: each request holds the whole transcript."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._responses = client.responses  # here, as the SDK imports it on first use

    async def ask(self, request: ModelRequest) -> AsyncStream[ResponseStreamEvent]:
        """Send a request."""
        return await self._responses.create(
            model=request.model.partition(":")[2] or request.model,
            input=[],
            stream=True,
            store=False,
            extra_headers=request.settings.extra_headers,
            extra_body=responses_body(request),  # which wins; the SDK would walk `input` by its types
        )

    def answer(self, request: ModelRequest, emit: Emit | None) -> ResponsesAnswer:
        """Begin to read the answer."""
        return ResponsesAnswer(request, emit)


def responses_body(request: ModelRequest) -> dict[str, object]:
    """Return what is asked, but for the model's name: items, tools, and the settings that the model takes.

    This API knows no seed.
    """
    provider, _, name = request.model.partition(":")
    settings = request.settings
    effort_ = effort(name, settings.thinking_budget)
    schema = wire_schema(request.output_schema)
    written: dict[str, object] = {
        "instructions": wire_system(request) or None,
        "input": [item for message in request.messages for item in _items(message, provider)],
        "tools": _tools(request.tools) or None,
        "include": ["reasoning.encrypted_content"] if reasons(name) else None,
        "reasoning": {"effort": effort_} if effort_ is not None else None,
        "temperature": settings.temperature if takes_temperature(name) else None,
        "max_output_tokens": settings.max_output_tokens,
        "text": {"format": {"type": "json_schema", **schema}} if schema is not None else None,
    }
    return {key: value for key, value in written.items() if value is not None}


def _tools(tools: Iterable[ToolSpec]) -> list[_Item]:
    """Return tools as function tools; not strict ones, which would have to require all their arguments."""
    return [
        {
            "type": "function",
            "name": wire_name(tool.name),
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
            yield from _said(message.parts, provider)
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


def _said(parts: Sequence[ContentPart], provider: str) -> Iterator[_Item]:
    """Yield what a model said, in order. The API refuses reasoning that nothing follows."""
    last = max((place for place, part in enumerate(parts) if isinstance(part, TextPart | ToolCall)), default=-1)
    phase: JsonValue = None
    for part in parts[: last + 1]:
        match part:
            case ThinkingPart(data=dict() as kept) if part.provider == provider:
                if kept.get("type") == "reasoning":
                    yield kept
                phase = kept.get("phase")
            case TextPart():
                text: _Item = {"role": "assistant", "content": part.text}
                yield text if phase is None else {**text, "phase": phase}
            case ToolCall():
                call: _Item = {"call_id": wire_id(part.id), "name": wire_name(part.name)}
                yield {"type": "function_call", **call, "arguments": wire_arguments(part)}


def _result(result: ToolResult) -> _Item:
    return {"type": "function_call_output", "call_id": wire_id(result.call_id), "output": wire_result(result)}
