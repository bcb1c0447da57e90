"""OpenAI's Chat Completions format: write our requests in it, read its answers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from openai.types.chat import (
    ChatCompletionContentPartParam,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
)
from pydantic import AliasChoices, Field, JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.messages import ContentPart, ImagePart, Message, TextPart, ToolCall, ToolResult, Usage
from agentkit.records import Record
from agentkit.specs import ToolSpec

__all__ = ["Chunk", "WireDelta", "WireUsage", "wire_messages", "wire_name", "wire_settings", "wire_tools"]

_ALLOWED_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_-]")


def wire_name(name: str) -> str:
    """Return a tool's name in the characters that OpenAI allows; the same name always gives the same."""
    if _ALLOWED_NAME.fullmatch(name):
        return name
    return f"{_FORBIDDEN.sub('_', name)[:55]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def wire_tools(tools: Iterable[ToolSpec]) -> list[ChatCompletionFunctionToolParam]:
    """Return tools as function tools."""
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


def wire_settings(request: ModelRequest, provider: str) -> dict[str, object]:
    """Return how the model is to be asked: what is set, in the words that the provider takes."""
    settings = request.settings
    # OpenAI's reasoning models refuse the old name; many other servers know only that one.
    limit = "max_completion_tokens" if provider == "openai" else "max_tokens"
    written: dict[str, object] = {
        "temperature": settings.temperature,
        limit: settings.max_output_tokens,
        "seed": settings.seed,
    }
    if request.output_schema is not None:
        schema = dict(request.output_schema)
        wanted = {"name": "output", "schema": schema, "strict": _is_closed(schema)}
        written["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return {key: value for key, value in written.items() if value is not None}


def _is_closed(schema: JsonValue) -> bool:
    """Return whether OpenAI enforces the schema: it takes only objects that require and name all their properties."""
    if isinstance(schema, list):
        return all(map(_is_closed, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        named = sorted(properties) if isinstance(properties, dict) else []
        required = schema.get("required")
        all_required = isinstance(required, list) and sorted(map(str, required)) == named
        if schema.get("additionalProperties") is not False or not all_required:
            return False
    return all(map(_is_closed, schema.values()))


def wire_messages(request: ModelRequest) -> list[ChatCompletionMessageParam]:
    """Return the instructions and messages; a message of several tool results becomes several."""
    written: list[ChatCompletionMessageParam] = []
    if request.system:
        written.append({"role": "system", "content": request.system})
    for message in request.messages:
        match message.role:
            case "user":
                written.append({"role": "user", "content": _content(message.parts)})
            case "assistant":
                written.append(_assistant(message))
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
            content.append({"type": "image_url", "image_url": {"url": _image_url(part)}})
    return content


def _image_url(image: ImagePart) -> str:
    if image.data is None:
        return image.url or ""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def _assistant(message: Message) -> ChatCompletionMessageParam:
    """Return what a model said; thinking is left out, as this API takes none back."""
    calls = [_call(call) for call in message.tool_calls]
    if not calls:
        return {"role": "assistant", "content": message.text}
    return {"role": "assistant", "content": message.text or None, "tool_calls": calls}


def _call(call: ToolCall) -> ChatCompletionMessageFunctionToolCallParam:
    """Return a tool call; malformed arguments become ``{}``, since servers parse what they are sent."""
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": wire_name(call.name), "arguments": arguments}}


def _result(result: ToolResult) -> ChatCompletionMessageParam:
    marked = result.is_error and not result.content.startswith("Error")
    return {
        "role": "tool",
        "tool_call_id": result.call_id,
        "content": f"Error: {result.content}" if marked else result.content,
    }


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
    tool_calls: tuple[_WireCall, ...] | None = None


class _WireChoice(Record):
    delta: WireDelta | None = Field(default=None, validation_alias=AliasChoices("delta", "message"))
    finish_reason: str | None = None


class _WireDetails(Record):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class WireUsage(Record):
    """What the provider counted."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _WireDetails | None = None
    completion_tokens_details: _WireDetails | None = None

    def usage(self) -> Usage:
        """Return it as ours."""
        asked, answered = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            input_tokens=self.prompt_tokens or 0,
            output_tokens=self.completion_tokens or 0,
            reasoning_tokens=(answered and answered.reasoning_tokens) or 0,
            cached_tokens=(asked and asked.cached_tokens) or 0,
            model_calls=1,
        )


class Chunk(Record):
    """One event of a stream, or a whole answer of a server that doesn't stream: they differ in one word."""

    choices: tuple[_WireChoice, ...] | None = None
    usage: WireUsage | None = None

    @classmethod
    def read(cls, received: Any) -> Chunk:
        """Check what was received: an object of the SDK, or parsed JSON.

        Raises:
            ValidationError: it is no answer.
        """
        return cls.model_validate(received, from_attributes=True)
