"""The contents of requests, responses and tool calls, in the JSON of OpenTelemetry's GenAI conventions.

Secrets are redacted first. Each content is bounded: of the messages of a request the newest are kept, and long texts
are cut.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import JsonValue

from agentkit.interfaces import ModelResponse, Secrets, StopReason
from agentkit.messages import ContentPart, FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["FINISH_REASONS", "MAX_CONTENT_BYTES", "BoundedContent", "as_json"]

MAX_CONTENT_BYTES = 32_000
"""Of one content, in JSON: a collector takes 4 MiB at once, and a batch has several spans with four contents each."""
_MAX_INT = 2**63 - 1
"""The largest integer in OTLP."""
_MAX_NAME_CHARS = 200
"""Of the id of a call, and of the name of a tool: a model's server may send any."""
_MIN_TEXT_BYTES = 200
"""A part of which less would be left is left out."""

FINISH_REASONS: dict[StopReason, str] = {
    "end": "stop",
    "tool_calls": "tool_call",
    "length": "length",
    "refusal": "content_filter",
    "interrupted": "error",
}

_Object = dict[str, JsonValue]


def as_json(value: JsonValue) -> str:
    """Return the value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class BoundedContent:
    """Makes contents of at most ``max_bytes`` each."""

    def __init__(self, secrets: Secrets, max_bytes: int = MAX_CONTENT_BYTES) -> None:
        self._secrets = secrets
        self._max_bytes = max_bytes

    def messages(self, messages: Sequence[Message]) -> JsonValue:
        """Return the newest messages, in their order."""
        left, result = self._max_bytes, list[JsonValue]()
        for message in reversed(messages):
            written = self._message(message, left)
            if written is None:
                break
            result.insert(0, written)
            left -= _size(written)
        return result

    def response(self, response: ModelResponse) -> JsonValue:
        """Return a model's response."""
        written = self._message(response.message, self._max_bytes) or {"role": "assistant", "parts": []}
        return [{**written, "finish_reason": FINISH_REASONS[response.stop_reason]}]

    def instructions(self, system: str) -> JsonValue:
        """Return the instructions of a request."""
        return [{"type": "text", "content": self._text(system, self._max_bytes)}] if system else []

    def tools(self, tools: Sequence[ToolSpec]) -> JsonValue:
        """Return the tools of a request; the parameters only while there is room for them."""
        left, result = self._max_bytes, list[JsonValue]()
        for tool in tools:
            short: _Object = {"type": "function", "name": tool.name}
            whole = self._clean(short | {"description": tool.description, "parameters": tool.parameters})
            written = whole if _size(whole) <= left else short
            if (size := _size(written)) > left:
                break
            result.append(written)
            left -= size
        return result

    def value(self, value: JsonValue) -> JsonValue:
        """Return a tool call's arguments, or its result; a long one as the beginning of its JSON."""
        return self._value(value, self._max_bytes)

    def _message(self, message: Message, left: int) -> _Object | None:
        """Return as much of a message as there is room for; None: nothing."""
        parts = list[JsonValue]()
        written: _Object = {"role": message.role, "parts": parts}
        left -= _size(written)
        for part in message.parts:
            if left < _MIN_TEXT_BYTES:
                break
            content = self._part(part, left)
            parts.append(content)
            left -= _size(content)
        return written if parts or (not message.parts and left > 0) else None

    def _part(self, part: ContentPart, left: int) -> _Object:
        room = left - _MIN_TEXT_BYTES // 2  # for the names around the text
        match part:
            case TextPart():
                return {"type": "text", "content": self._text(part.text, room)}
            case ThinkingPart():
                return {"type": "reasoning", "content": self._text(part.text, room)}
            case ToolCall():
                arguments: JsonValue = part.arguments if part.malformed is None else part.malformed
                named: _Object = {"type": "tool_call", "id": self._name(part.id), "name": self._name(part.name)}
                return named | {"arguments": self._value(arguments, room - _size(named))}
            case ToolResult():
                answered: _Object = {"type": "tool_call_response", "id": self._name(part.call_id)}
                return answered | {"response": self._text(part.content, room - _size(answered))}
            case ImagePart(url=str() as url):
                return {"type": "uri", "modality": "image", "uri": self._text(url, min(room, 2_000))}
            case ImagePart():  # its bytes are left out
                return {"type": "image", "mime_type": part.media_type}
            case FilePart():
                return {"type": "document", "mime_type": part.media_type, "size": len(part.data)}

    def _value(self, value: JsonValue, room: int) -> JsonValue:
        if isinstance(value, str):
            return self._text(value, room)
        clean = self._clean(value)
        return clean if _size(clean) <= room else _cut(as_json(clean), room)

    def _text(self, text: str, room: int) -> str:
        """Redact first: a secret that is cut in two is not found."""
        return _cut(_valid(self._secrets.redact_text(text)), room)

    def _name(self, text: str) -> str:
        return _valid(self._secrets.redact_text(text))[:_MAX_NAME_CHARS]

    def _clean(self, value: JsonValue) -> JsonValue:
        return _encodable(self._secrets.redact_value(value))


def _cut(text: str, room: int) -> str:
    """Return the text, or its beginning where its JSON takes more than ``room`` bytes."""
    if len(text) * 6 <= room or _size(text) <= room:
        return text
    marker = "... [{} characters are left out]"
    kept = text[: max(0, room - 60)]
    while _size(kept) > max(2, room - 60):
        kept = kept[: len(kept) * 3 // 4]
    return kept + marker.format(len(text) - len(kept))


def _size(value: JsonValue) -> int:
    return len(as_json(value).encode(errors="replace"))


def _valid(text: str) -> str:
    """Return the text without lone surrogates, which OTLP can't hold."""
    return text.encode(errors="replace").decode()


def _encodable(value: JsonValue) -> JsonValue:
    """Return the value as OTLP can hold it."""
    match value:
        case str():
            return _valid(value)
        case bool() | None | float():
            return value
        case int():
            return value if abs(value) <= _MAX_INT else str(value)
        case list():
            return [_encodable(each) for each in value]
        case dict():
            return {_valid(key): _encodable(each) for key, each in value.items()}
