"""The Protocols of short-term memory (the transcript) and long-term memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agentkit.messages import Message
from agentkit.records import Record

__all__ = ["LongTermMemory", "Memory", "ShortTermMemory"]


class ShortTermMemory(Protocol):
    """The transcript of one task."""

    def append(self, *messages: Message) -> None:
        """Add messages at the end."""
        ...

    def read(self, start: int = 0, end: int | None = None) -> Sequence[Message]:
        """Return the messages from ``start`` up to and excluding ``end``."""
        ...


class Memory(Record):
    """A stored text."""

    id: str
    text: str
    scope: str
    """The owner, such as ``user/ada``."""
    score: float | None = None
    """Similarity to the query, 0 to 1; only on recall."""


class LongTermMemory(Protocol):
    """Texts that outlive a task, in separate scopes."""

    async def remember(self, scope: str, text: str, *, key: str) -> Memory:
        """Store text; a repeated ``key`` stores it once."""
        ...

    async def recall(self, scope: str, query: str, *, limit: int) -> Sequence[Memory]:
        """Return the most similar memories, best first."""
        ...

    async def forget(self, scope: str, memory_id: str | None = None) -> int:
        """Erase one memory, or (None) all of the scope; return the number of erased memories."""
        ...
