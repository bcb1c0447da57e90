"""Shorten tool results of a transcript, without a model."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agentkit.interfaces import READ_RESULT
from agentkit.messages import Message, StoredContent, ToolResult
from agentkit.specs import AgentSpec

__all__ = ["OLD_RESULT_CHARS", "shorten_results"]

OLD_RESULT_CHARS = 400
"""Number of characters that older results are shortened to."""

_MAX_NOTE_CHARS = 300
"""About the length of the note: a result that exceeds its limit by less isn't shortened, as nothing would be saved."""


def shorten_results(messages: Sequence[Message], agent: AgentSpec, max_chars: int) -> tuple[Message, ...]:
    """Return the messages, each long tool result cut to its start and end, about ``max_chars`` characters.

    Images of results are removed. Pinned messages and those without changes are returned as the same objects.
    """
    can_read = agent.tool(READ_RESULT) is not None
    return tuple(_shortened_message(message, max_chars, can_read=can_read) for message in messages)


def _shortened_message(message: Message, max_chars: int, *, can_read: bool) -> Message:
    if message.role != "tool" or message.pinned:
        return message
    parts = tuple(
        _shortened(part, max_chars, can_read=can_read) if isinstance(part, ToolResult) else part
        for part in message.parts
    )
    is_same = all(new is old for new, old in zip(parts, message.parts, strict=True))
    return message if is_same else message.model_copy(update={"parts": parts})


def _shortened(result: ToolResult, max_chars: int, *, can_read: bool) -> ToolResult:
    changes: dict[str, object] = {}
    if len(result.content) > max_chars + _MAX_NOTE_CHARS:
        changes["content"] = _start_and_end(result, max_chars, can_read=can_read)
    if any(_is_sent(file) for file in result.files or ()):
        changes["files"] = tuple(_unshown(file) if _is_sent(file) else file for file in result.files or ())
    return result.model_copy(update=changes) if changes else result


def _start_and_end(result: ToolResult, max_chars: int, *, can_read: bool) -> str:
    tail = max_chars // 4
    head = max_chars - tail
    text = result.content
    hint = ""
    if result.whole is not None and can_read:
        hint = f" They are kept: call {READ_RESULT} with call_id={json.dumps(result.call_id)} to read them."
    note = f"[... {len(text) - max_chars:,} of {len(text):,} characters were left out later, to save space.{hint} ...]"
    return f"{text[:head]}\n{note}\n{text[-tail:]}"


def _is_sent(file: StoredContent) -> bool:
    return file.is_shown and bool(file.claim or file.data)


def _unshown(file: StoredContent) -> StoredContent:
    """Return the file without its content. It keeps its place, so that other files keep their numbers."""
    return file.model_copy(update={"claim": None, "data": None})
