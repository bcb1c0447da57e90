"""What is sent of a user's message."""

from __future__ import annotations

import json

from agentkit.messages import FilePart, ImagePart, Message, TextPart

__all__ = ["UserContent", "file_text", "user_content"]

UserContent = TextPart | ImagePart | FilePart

_NO_CONTENT = TextPart(text="(no text)")


def user_content(message: Message) -> list[UserContent]:
    """Return the texts, images and files of a message, without blank texts and with the files that are text as texts.

    It is never empty, because providers reject an empty message.
    """
    content: list[UserContent] = []
    for part in message.parts:
        match part:
            case TextPart() if part.text.strip():
                content.append(part)
            case FilePart() if part.is_text:
                content.append(TextPart(text=file_text(part)))
            case ImagePart() | FilePart():
                content.append(part)
    return content or [_NO_CONTENT]


def file_text(file: FilePart) -> str:
    """Return a file that is text as models read it, marked with its name and type."""
    name = f" name={json.dumps(file.name, ensure_ascii=False)}" if file.name else ""
    text = file.data.decode(errors="replace")
    return f"<file{name} media_type={json.dumps(file.media_type)}>\n{text}\n</file>"
