"""The payloads of memory's activities in a task, and the names under which histories hold them."""

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
    """Which memories are recalled before a task's first step."""

    scope: MemoryScope
    segments: tuple[Segment, ...]
    """The transcript so far. Its newest message of a person is the query; memories that are in it are left out."""
    limit: int
    """How many memories at most."""
    max_tokens: int
    """How long the message may be, about."""


class RecalledText(Record):
    """A memory that was recalled."""

    id: str
    text: str
    created_at: datetime


class RecallResult(Record):
    """The memories, and the message that enters the transcript here."""

    message: Message | None = Field(default=None, exclude_if=lambda message: message is None)
    """None: there is nothing to read."""
    memories: tuple[RecalledText, ...] = ()


class ExtractionCall(Record):
    """The argument of the activity that remembers what a task was about."""

    task_id: str
    scope: MemoryScope
    segments: tuple[Segment, ...]
    """The task's messages."""
    model: str
    """``provider:name``: the model that reads them."""


class ExtractionResult(Record):
    """What was remembered, and what the model took for it."""

    memory_ids: tuple[str, ...] = ()
    usage: Usage = Usage()
