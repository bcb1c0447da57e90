"""The activity that recalls memories before a task's first step."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import activity

from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.memory.memory_payloads import RECALL_MEMORIES_ACTIVITY, RecallCall, RecalledText, RecallResult
from activities.storage.transcript_reader import TranscriptReader
from agentkit.errors import OpspawnError
from agentkit.interfaces import LongTermMemory, Memory
from agentkit.messages import Message
from agentkit.runtime.recalled_memories import memory_texts, recalled_message, shown_memories, unread_memories

__all__ = ["MemoryRecallActivity"]


class MemoryRecallActivity:
    """Holds the activity ``recall_memories``."""

    def __init__(self, memory: LongTermMemory, reader: TranscriptReader) -> None:
        self._memory = memory
        self._reader = reader

    @activity.defn(name=RECALL_MEMORIES_ACTIVITY)
    async def recall_memories(self, call: RecallCall) -> RecallResult:
        """Return the memories that fit a person's newest message, without those that the transcript shows.

        Raises:
            ApplicationError: memory or the transcript can't be read.
        """
        async with heartbeating():
            try:
                memories = await self._recall(call)
            except OpspawnError as error:
                raise application_error(error) from error
        if not memories:
            return RecallResult()
        texts = (RecalledText(id=each.id, text=each.text, created_at=each.created_at) for each in memories)
        return RecallResult(message=recalled_message(memories), memories=tuple(texts))

    async def _recall(self, call: RecallCall) -> Sequence[Memory]:
        messages = await self._reader.messages(call.segments)
        query = _newest_text(messages)
        if not query.strip():
            return ()
        found = await self._memory.recall(call.scope, query, limit=call.limit)
        return shown_memories(unread_memories(found, memory_texts(messages)), call.max_tokens)


def _newest_text(messages: Sequence[Message]) -> str:
    """Return the text of a person's newest message; empty if there is none."""
    newest = (message for message in reversed(messages) if message.role == "user" and message.source is None)
    return next((message.text for message in newest), "")
