"""Ids of tool calls that are unique within a task."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agentkit.messages import Message, ToolCall

__all__ = ["with_unique_call_ids"]


def with_unique_call_ids(message: Message, transcript: Sequence[Message], step: int) -> Message:
    """Return the message with ids for its tool calls that no earlier call of the task has.

    Some servers send no ids, or count from 0 in every response; idempotency keys and activity ids need unique ones.
    ``c1.2`` is not given beside ``c1``: it is that of a call that resumes ``c1``. Where compaction has left out
    messages, the ids of their calls are not known any more, so each new id has the step's number in it.
    """
    if not message.tool_calls:
        return message
    used = {call.id for earlier in transcript for call in earlier.tool_calls}
    is_shortened = any(earlier.source == "compaction" for earlier in transcript)
    parts = []
    for index, part in enumerate(message.parts):
        if isinstance(part, ToolCall):
            suffix = f"{step}_{index}"
            call_id = f"{part.id}_{suffix}" if is_shortened and part.id else part.id
            part = part.model_copy(update={"id": _unique_id(call_id, used, suffix)})
            used.add(part.id)
        parts.append(part)
    return message.model_copy(update={"parts": tuple(parts)})


def _unique_id(call_id: str, used: Collection[str], suffix: str) -> str:
    unique = call_id or f"call_{suffix}"
    while unique in used or any(_resumes(unique, other) or _resumes(other, unique) for other in used):
        unique = f"{unique}_{suffix}"
    return unique


def _resumes(call_id: str, other: str) -> bool:
    """Return whether one id is that of a call that resumes the other."""
    first, _, number = call_id.rpartition(".")
    return first == other and number.isdecimal()
