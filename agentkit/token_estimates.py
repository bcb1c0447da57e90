"""Estimate the tokens of texts and messages, for want of a provider's count: a token for four bytes of UTF-8."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from agentkit.messages import ContentPart, FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall
from agentkit.specs import ToolSpec

__all__ = ["BYTES_PER_TOKEN", "message_tokens", "request_tokens", "text_tokens", "token_count"]

BYTES_PER_TOKEN = 4
_IMAGE_BYTES = 4_000
"""An image counts as about 1,000 tokens, and a file that is no text as one image at least."""
_FILE_BYTES_PER_BYTE = 10
"""Of a larger file."""


def text_tokens(*texts: str) -> int:
    """Return the estimated tokens of texts that belong together."""
    return token_count(sum(map(_text_bytes, texts)))


def message_tokens(messages: Iterable[Message]) -> int:
    """Return the estimated tokens of the messages."""
    return token_count(sum(_part_bytes(part) for message in messages for part in message.parts))


def request_tokens(system: str, messages: Iterable[Message], tools: Sequence[ToolSpec]) -> int:
    """Return the estimated tokens of a request with these instructions, messages and tools."""
    tool_texts = (text for tool in tools for text in (tool.name, tool.description, json.dumps(tool.parameters)))
    size = _text_bytes(system) + sum(map(_text_bytes, tool_texts))
    return token_count(size + sum(_part_bytes(part) for message in messages for part in message.parts))


def token_count(size: int) -> int:
    """Return the estimated tokens of so many bytes."""
    return -(-size // BYTES_PER_TOKEN)


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _part_bytes(part: ContentPart) -> int:
    match part:
        case TextPart() | ThinkingPart():
            return _text_bytes(part.text)
        case ImagePart():
            return _IMAGE_BYTES
        case FilePart():
            return len(part.data) if part.is_text else max(_IMAGE_BYTES, len(part.data) // _FILE_BYTES_PER_BYTE)
        case ToolCall():
            return _text_bytes(part.name) + _text_bytes(part.malformed or json.dumps(part.arguments))
        case _:
            shown = sum(file.is_shown and bool(file.claim or file.data) for file in part.files or ())
            return _text_bytes(part.content) + _IMAGE_BYTES * shown
