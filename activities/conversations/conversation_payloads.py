"""The payloads and names of the activities of conversations; histories store both."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from activities.payload_types import StoredMessages
from agentkit.messages import Message, Usage
from agentkit.records import Record
from agentkit.runtime.calls.effect_ledger import LedgerEntry
from agentkit.runtime.context_watch import ContextState
from agentkit.transcript import EMPTY_DIGEST

__all__ = [
    "READ_TASK_END_ACTIVITY",
    "TAKE_TURN_ACTIVITY",
    "TURN_END_QUERY",
    "CopiedTranscript",
    "EndedStatus",
    "TakenTurn",
    "TaskEnd",
    "TurnEnd",
    "TurnToTake",
    "UnreadMessage",
]

TAKE_TURN_ACTIVITY = "take_turn"
TURN_END_QUERY = "turn_end"
READ_TASK_END_ACTIVITY = "read_task_end"

EndedStatus = Literal["completed", "failed", "cancelled", "terminated", "timed_out"]


class TaskEnd(Record):
    """The result of ``read_task_end``."""

    is_ended: bool
    """True as well if Temporal has deleted the task."""


class CopiedTranscript(Record):
    """A fork's own copy of the messages that it has in common with its source."""

    pages: tuple[StoredMessages, ...]
    digest: str
    """Digest of the copy, which differs from that of the source, as references to stored contents differ."""


class TurnToTake(Record):
    """The argument of ``take_turn``, which stores an ended turn's messages in its conversation's transcript."""

    conversation_id: str
    task_id: str
    version: int = 1
    """This and the next two fields: version, end and digest of the conversation's transcript before the turn."""
    end: int = 0
    digest: str = EMPTY_DIGEST
    small_pages: tuple[StoredMessages, ...] = Field(default=(), exclude_if=lambda pages: not pages)
    """The newest pages of the transcript, if there are so many that they are to be merged into fewer."""
    messages: tuple[Message, ...] | None = Field(default=None, exclude_if=lambda messages: messages is None)
    """If set, these are stored instead of the task's messages, which can't be read."""


class UnreadMessage(Record):
    """A message to a task that ended before its model read it."""

    id: str | None = Field(default=None, exclude_if=lambda id: id is None)
    message: Message


class TurnEnd(Record):
    """The result of a task's query ``turn_end``: what its conversation needs besides its messages."""

    version: int = 1
    """The version of the task's transcript in which its last finished step ended."""
    end: int
    """Position in that version after the step's last message."""
    step: int
    """The last finished step."""
    later_calls: tuple[LedgerEntry, ...] = ()
    """The tool calls after that step that may have taken effect."""
    newest_version: int = 1
    """The newest version of the task's transcript; the next two fields are positions in it."""
    later_start: int
    """Position of the first message after that step."""
    later_end: int
    """Position after the last message."""
    facts: tuple[str, ...] = ()
    """The outcomes of the conversation's newest irreversible calls, one line each."""
    context: ContextState | None = None
    """Whether a compaction of the transcript is due."""
    usage: Usage
    is_timed_out: bool = False
    """Whether the task failed because its time limit was reached."""
    error: str | None = None
    """Why the task failed."""
    received_ids: tuple[str, ...] = ()
    """The ids of the newest messages that reached the task."""
    unread: tuple[UnreadMessage, ...] = ()
    """Messages that the task's model has not read, oldest first."""


class TakenTurn(Record):
    """The result of ``take_turn``."""

    is_gone: bool = Field(default=False, exclude_if=lambda is_gone: not is_gone)
    """Whether Temporal has deleted the task: then nothing was stored, and the other fields are unset."""
    status: EndedStatus | None = None
    pages: tuple[StoredMessages, ...] = ()
    """Where the messages are stored. They replace the pages of the transcript that end after the start of the first."""
    end: int = 0
    """Position in the conversation's transcript after the last message."""
    digest: str = EMPTY_DIGEST
    """Digest of the conversation's transcript up to ``end``."""
    is_new_version: bool = Field(default=False, exclude_if=lambda is_new: not is_new)
    """Whether the turn compacted its transcript: then ``pages`` holds the whole new version."""
    facts: tuple[str, ...] | None = None
    """See ``TurnEnd``; None: unknown."""
    context: ContextState | None = None
    usage: Usage = Usage()
    output: str | None = None
    """The text of the last response, if the task completed."""
    error: str | None = None
    received_ids: tuple[str, ...] = Field(default=(), exclude_if=lambda ids: not ids)
    """The ids of the messages that reached the task."""
    unread: tuple[UnreadMessage, ...] = Field(default=(), exclude_if=lambda unread: not unread)
    """Messages that the task's model has not read; they include messages without ids."""
