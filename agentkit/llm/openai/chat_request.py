"""OpenAI's Chat Completions format: write our requests in it, read its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from openai.types.chat import (
    ChatCompletionContentPartParam,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
)
from pydantic import AliasChoices, Field, JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.profile import (
    effort,
    image_url,
    takes_temperature,
    wire_arguments,
    wire_id,
    wire_name,
    wire_result,
    wire_schema,
    wire_system,
)
from agentkit.messages import ContentPart, ImagePart, Message, TextPart, ToolCall, ToolResult, Usage
from agentkit.records import Record
from agentkit.specs import ToolSpec

__all__ = ["Chunk", "WireDelta", "WireUsage", "assistant_message", "chat_body", "wire_messages", "wire_name"]


def chat_body(request: ModelRequest, provider: str) -> dict[str, object]:
    """Return what is asked, but for the model's name: messages, tools, and the settings that the provider takes."""
    name = request.model.partition(":")[2]
    settings = request.settings
    # OpenAI's reasoning models refuse the old name; many other servers know only that one.
    limit = "max_completion_tokens" if provider == "openai" else "max_tokens"
    any_root = provider == "openai-compatible"
    body: dict[str, object] = {"messages": wire_messages(request, any_root=any_root)}
    if request.tools:
        body["tools"] = _tools(request.tools)
    written: dict[str, object] = {
        "temperature": settings.temperature if takes_temperature(name) else None,
        limit: settings.max_output_tokens,
        "seed": settings.seed,
        "reasoning_effort": effort(name, settings.thinking_budget),
    }
    schema = wire_schema(request.output_schema, any_root=any_root)
    if schema is not None:
        written["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body | {key: value for key, value in written.items() if value is not None}


def _tools(tools: Iterable[ToolSpec]) -> list[ChatCompletionFunctionToolParam]:
    return [
        {
            "type": "function",
            "function": {
                "name": wire_name(tool.name),
                "description": tool.description,
                "parameters": dict[str, object](tool.parameters),
            },
        }
        for tool in tools
    ]


def assistant_message(message: Message) -> ChatCompletionMessageParam:
    """Return what a model said; thinking is left out, as this API takes none back."""
    calls = [_call(call) for call in message.tool_calls]
    if not calls:
        return {"role": "assistant", "content": message.text}
    return {"role": "assistant", "content": message.text or None, "tool_calls": calls}


def wire_messages(
    request: ModelRequest,
    assistant: Callable[[Message], ChatCompletionMessageParam] = assistant_message,
    *,
    any_root: bool = False,
) -> list[ChatCompletionMessageParam]:
    """Return the instructions and messages; a message of several tool results becomes several."""
    written: list[ChatCompletionMessageParam] = []
    if system := wire_system(request, any_root=any_root):
        written.append({"role": "system", "content": system})
    for message in request.messages:
        match message.role:
            case "user":
                written.append({"role": "user", "content": _content(message.parts)})
            case "assistant":
                written.append(assistant(message))
            case "tool":
                written.extend(_result(part) for part in message.parts if isinstance(part, ToolResult))
    return written


def _content(parts: Sequence[ContentPart]) -> str | list[ChatCompletionContentPartParam]:
    """Return plain text where that is all there is: some servers take nothing else."""
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
        "id": wire_id(call.id),
        "type": "function",
        "function": {"name": wire_name(call.name), "arguments": wire_arguments(call)},
    }


def _result(result: ToolResult) -> ChatCompletionMessageParam:
    return {"role": "tool", "tool_call_id": wire_id(result.call_id), "content": wire_result(result)}


class _WireFunction(Record):
    name: str | None = None
    arguments: str | dict[str, JsonValue] | None = None
    """Text; some servers send the object itself."""


class _WireCall(Record):
    index: int | None = None
    id: str | None = None
    function: _WireFunction | None = None


class WireDelta(Record):
    """A piece of an answer, or all of it."""

    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = Field(default=None, validation_alias=AliasChoices("reasoning_content", "reasoning"))
    reasoning_details: tuple[dict[str, JsonValue], ...] | None = None
    """The same as OpenRouter wants it back."""
    tool_calls: tuple[_WireCall, ...] | None = None


class _WireChoice(Record):
    delta: WireDelta | None = Field(default=None, validation_alias=AliasChoices("delta", "message"))
    finish_reason: str | None = None
    error: JsonValue = None
    """Why it ends, as OpenRouter says it."""


class _WireDetails(Record):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _WireCost(Record):
    upstream_inference_cost: float | None = None


class WireUsage(Record):
    """What the provider counted."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _WireDetails | None = None
    completion_tokens_details: _WireDetails | None = None
    cost: float | None = None
    """US dollars that OpenRouter takes."""
    is_byok: bool | None = None
    """The provider behind it bills its own share: OpenRouter was given a key for it."""
    cost_details: _WireCost | None = None

    def usage(self) -> Usage:
        """Return it as ours."""
        asked, answered = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            input_tokens=self.prompt_tokens or 0,
            output_tokens=self.completion_tokens or 0,
            reasoning_tokens=(answered and answered.reasoning_tokens) or 0,
            cached_tokens=(asked and asked.cached_tokens) or 0,
            cache_write_tokens=(asked and asked.cache_write_tokens) or 0,
            cost_usd=self._cost(),
            model_calls=1,
        )

    def _cost(self) -> float | None:
        upstream = self.cost_details.upstream_inference_cost if self.cost_details else None
        if self.cost is None or not self.is_byok:
            return self.cost
        return None if upstream is None else self.cost + upstream


class Chunk(Record):
    """One event of a stream, or a whole answer of a server that doesn't stream: they differ in one word."""

    choices: tuple[_WireChoice, ...] | None = None
    usage: WireUsage | None = None
    provider: str | None = None
    """Who answers behind OpenRouter."""

    @classmethod
    def read(cls, received: object) -> Chunk:
        """Check what was received: an object of the SDK, or parsed JSON.

        Raises:
            ValidationError: it is no answer.
        """
        return cls.model_validate(received, from_attributes=True)
