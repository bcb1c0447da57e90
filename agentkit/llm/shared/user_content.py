"""What is sent of a user's message."""

from __future__ import annotations

from agentkit.messages import ImagePart, Message, TextPart

__all__ = ["user_content"]

_NO_CONTENT = TextPart(text="(no text)")


def user_content(message: Message) -> list[TextPart | ImagePart]:
    """Return the images and texts of a message without blank texts; never none: an empty message is rejected."""
    parts = [part for part in message.parts if isinstance(part, TextPart | ImagePart)]
    return [part for part in parts if isinstance(part, ImagePart) or part.text.strip()] or [_NO_CONTENT]
