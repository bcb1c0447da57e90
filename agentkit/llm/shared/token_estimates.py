"""Estimate tokens for providers that don't count them."""

from __future__ import annotations

import json

from agentkit.interfaces import ModelRequest
from agentkit.messages import ContentPart, FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, Usage

__all__ = ["estimate_usage"]

_CHARS_PER_TOKEN = 4
_IMAGE_CHARS = 4_000
"""An image counts as about 1,000 tokens, and a file that is no text as one image at least."""
_FILE_BYTES_PER_CHAR = 10
"""Of a larger file."""


def estimate_usage(request: ModelRequest, response: Message) -> Usage:
    """Return the estimated tokens of a request and its response, at four characters each; deterministic."""
    input_chars = len(request.system) + sum(_chars(part) for message in request.messages for part in message.parts)
    input_chars += sum(
        len(tool.name) + len(tool.description) + len(json.dumps(tool.parameters)) for tool in request.tools
    )
    output_chars = sum(_chars(part) for part in response.parts)
    return Usage(input_tokens=_tokens(input_chars), output_tokens=_tokens(output_chars), model_calls=1)


def _tokens(chars: int) -> int:
    return -(-chars // _CHARS_PER_TOKEN)


def _chars(part: ContentPart) -> int:
    match part:
        case TextPart() | ThinkingPart():
            return len(part.text)
        case ImagePart():
            return _IMAGE_CHARS
        case FilePart():
            return len(part.data) if part.is_text else max(_IMAGE_CHARS, len(part.data) // _FILE_BYTES_PER_CHAR)
        case ToolCall():
            return len(part.name) + len(part.malformed or json.dumps(part.arguments))
        case _:
            return len(part.content) + _IMAGE_CHARS * len(part.images)
