"""Estimate tokens where no provider counts them."""

from __future__ import annotations

import json

from agentkit.interfaces import ModelRequest
from agentkit.messages import ContentPart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, Usage

__all__ = ["estimated_usage"]

_CHARS_PER_TOKEN = 4
_IMAGE_CHARS = 4_000
"""An image counts about 1,000 tokens."""


def estimated_usage(request: ModelRequest, answer: Message) -> Usage:
    """Return what one exchange may have cost in tokens: four characters each. The same exchange gives the same."""
    asked = len(request.system) + sum(_chars(part) for message in request.messages for part in message.parts)
    asked += sum(len(tool.name) + len(tool.description) + len(json.dumps(tool.parameters)) for tool in request.tools)
    answered = sum(_chars(part) for part in answer.parts)
    return Usage(input_tokens=_tokens(asked), output_tokens=_tokens(answered), model_calls=1)


def _tokens(chars: int) -> int:
    return -(-chars // _CHARS_PER_TOKEN)


def _chars(part: ContentPart) -> int:
    match part:
        case TextPart() | ThinkingPart():
            return len(part.text)
        case ImagePart():
            return _IMAGE_CHARS
        case ToolCall():
            return len(part.name) + len(part.malformed or json.dumps(part.arguments))
        case _:
            return len(part.content)
