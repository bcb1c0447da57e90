"""OpenAI's Chat Completions API, which nearly every server offers: request bodies, and how they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionContentPartParam,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
)

from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.openai.chat_stream import ChatResponseBuilder
from agentkit.llm.openai.profile import (
    accepts_temperature,
    arguments_json,
    image_url,
    json_schema_format,
    provider_call_id,
    reasoning_effort,
    result_text,
    system_prompt,
)
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.messages import ContentPart, ImagePart, Message, TextPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["ChatCompletionsApi", "assistant_message", "chat_body", "chat_messages"]


class ChatCompletionsApi:
    """The Chat Completions API of one client; ``body`` returns a request's body without the model's name."""

    def __init__(self, client: AsyncOpenAI, body: Callable[[ModelRequest], dict[str, object]]) -> None:
        self._completions = client.chat.completions  # here, as the SDK imports it (0.3 s) on first use
        self._body = body

    async def open_stream(self, request: ModelRequest) -> AsyncStream[ChatCompletionChunk]:
        """Send a request."""
        return await self._completions.create(
            model=request.model.partition(":")[2] or request.model,
            messages=(),
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=request.settings.extra_headers,
            # This overrides `messages`, which the SDK would check item by item: 20 ms of CPU for 100 messages.
            extra_body=self._body(request),
        )

    def new_builder(self, request: ModelRequest, emit: Emit | None) -> ChatResponseBuilder:
        """Return the builder for its response."""
        return ChatResponseBuilder(request, emit)


def chat_body(request: ModelRequest, provider: str) -> dict[str, object]:
    """Return a request's body without the model's name: messages, tools, and the settings that the model accepts."""
    name = request.model.partition(":")[2]
    settings = request.settings
    # OpenAI's reasoning models reject the old name; many other servers have only that one.
    limit = "max_completion_tokens" if provider == "openai" else "max_tokens"
    any_root = provider == "openai-compatible"
    body: dict[str, object] = {"messages": chat_messages(request, any_root=any_root)}
    if request.tools:
        body["tools"] = _tools(request.tools)
    optional: dict[str, object] = {
        "temperature": settings.temperature if accepts_temperature(name) else None,
        limit: settings.max_output_tokens,
        "seed": settings.seed,
        "reasoning_effort": reasoning_effort(name, settings.thinking_budget),
    }
    schema = json_schema_format(request.output_schema, any_root=any_root)
    if schema is not None:
        optional["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body | {key: value for key, value in optional.items() if value is not None}


def _tools(tools: Iterable[ToolSpec]) -> list[ChatCompletionFunctionToolParam]:
    return [
        {
            "type": "function",
            "function": {
                "name": provider_tool_name(tool.name),
                "description": tool.description,
                "parameters": dict[str, object](tool.parameters),
            },
        }
        for tool in tools
    ]


def assistant_message(message: Message) -> ChatCompletionMessageParam:
    """Return a response of a model; thinking is left out, as this API has no field for it in a request."""
    calls = [_call(call) for call in message.tool_calls]
    if not calls:
        return {"role": "assistant", "content": message.text}
    return {"role": "assistant", "content": message.text or None, "tool_calls": calls}


def chat_messages(
    request: ModelRequest,
    assistant: Callable[[Message], ChatCompletionMessageParam] = assistant_message,
    *,
    any_root: bool = False,
) -> list[ChatCompletionMessageParam]:
    """Return the instructions and messages; a message with several tool results becomes several messages.

    ``assistant`` converts the model's own messages; ``any_root``: see ``json_schema_format``.
    """
    messages: list[ChatCompletionMessageParam] = []
    if system := system_prompt(request, any_root=any_root):
        messages.append({"role": "system", "content": system})
    for message in request.messages:
        match message.role:
            case "user":
                messages.append({"role": "user", "content": _content(message.parts)})
            case "assistant":
                messages.append(assistant(message))
            case "tool":
                messages.extend(_result(part) for part in message.parts if isinstance(part, ToolResult))
    return messages


def _content(parts: Sequence[ContentPart]) -> str | list[ChatCompletionContentPartParam]:
    """Return plain text if there is nothing else: some servers accept no list."""
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    content: list[ChatCompletionContentPartParam] = []
    for part in parts:
        if isinstance(part, TextPart):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            content.append({"type": "image_url", "image_url": {"url": image_url(part)}})
    return content


def _call(call: ToolCall) -> ChatCompletionMessageFunctionToolCallParam:
    return {
        "id": provider_call_id(call.id),
        "type": "function",
        "function": {"name": provider_tool_name(call.name), "arguments": arguments_json(call)},
    }


def _result(result: ToolResult) -> ChatCompletionMessageParam:
    return {"role": "tool", "tool_call_id": provider_call_id(result.call_id), "content": result_text(result)}
