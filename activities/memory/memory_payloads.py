"""The payloads and names of the memory activities that tasks run; histories store both."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from agentkit.interfaces import MemoryScope
from agentkit.messages import Message, Usage
from agentkit.records import Record
from agentkit.transcript import Segment

__all__ = [
    "EXTRACT_MEMORIES_ACTIVITY",
    "RECALL_MEMORIES_ACTIVITY",
    "ExtractionCall",
    "ExtractionResult",
    "RecallCall",
    "RecallResult",
    "RecalledText",
]

RECALL_MEMORIES_ACTIVITY = "recall_memories"
EXTRACT_MEMORIES_ACTIVITY = "extract_memories"


class RecallCall(Record):
    """The argument of ``recall_memories``."""

    scope: MemoryScope
    segments: tuple[Segment, ...]
    """The transcript so far. A person's newest message in it is the query; memories that it shows are left out."""
    limit: int
    """The most memories."""
    max_tokens: int
    """The most estimated tokens of the message."""


class RecalledText(Record):
    """A memory that was recalled."""

    id: str
    text: str
    created_at: datetime


class RecallResult(Record):
    """The result of ``recall_memories``."""

    message: Message | None = Field(default=None, exclude_if=lambda message: message is None)
    """The message to append to the transcript; None if no memory fits."""
    memories: tuple[RecalledText, ...] = ()


class ExtractionCall(Record):
    """The argument of ``extract_memories``."""

    task_id: str
    scope: MemoryScope
    segments: tuple[Segment, ...]
    """The task's messages."""
    model: str
    """``provider:name``: the model that reads them."""


class ExtractionResult(Record):
    """The result of ``extract_memories``, with the model's usage."""

    memory_ids: tuple[str, ...] = ()
    usage: Usage = Usage()
