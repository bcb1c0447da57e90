"""The largest request that a provider is sent: a larger one is refused before it is built, which takes memory."""

from __future__ import annotations

from pydantic import JsonValue

from agentkit.errors import ContextTooLong
from agentkit.interfaces import ModelRequest
from agentkit.messages import ContentPart, FilePart, ImagePart, TextPart, ThinkingPart, ToolCall

__all__ = ["MAX_REQUEST_CHARS", "check_request_size"]

MAX_REQUEST_CHARS = 64 * 1_048_576
"""Characters of texts, arguments, and images and files in base64; providers refuse less."""


def check_request_size(request: ModelRequest) -> None:
    """Check that a request can be sent.

    Raises:
        ContextTooLong: it has more than ``MAX_REQUEST_CHARS``.
    """
    size = len(request.system)
    for message in request.messages:
        size += sum(map(_part_size, message.parts))
        if size > MAX_REQUEST_CHARS:
            raise ContextTooLong(
                f"The request to {request.model} has more than {MAX_REQUEST_CHARS:,} characters, the most that is sent"
            )


def _part_size(part: ContentPart) -> int:
    match part:
        case TextPart():
            return len(part.text)
        case ThinkingPart():
            return len(part.text) + _json_size(part.data)
        case ImagePart():
            return len(part.data) * 4 // 3 if part.data is not None else len(part.url or "")
        case FilePart():
            return len(part.data) if part.is_text else len(part.data) * 4 // 3
        case ToolCall():
            return len(part.malformed or "") + _json_size(part.arguments)
        case _:
            return len(part.content) + sum(map(_part_size, part.images))


def _json_size(value: JsonValue) -> int:
    """Return about the length of a value's JSON; values nest at most ``MAX_JSON_DEPTH`` levels."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + _json_size(item) for key, item in value.items())
    return sum(map(_json_size, value)) if isinstance(value, list) else 8
