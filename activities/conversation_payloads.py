"""The payloads of the activities of conversations, and the names under which histories hold them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from activities.payload_types import StoredMessages, TranscriptSource
from agentkit.messages import Message, Usage
from agentkit.records import Record
from agentkit.runtime.calls.effect_ledger import LedgerEntry
from agentkit.runtime.context_watch import ContextState
from agentkit.transcript import EMPTY_DIGEST

__all__ = [
    "COPY_TRANSCRIPT_ACTIVITY",
    "READ_TASK_END_ACTIVITY",
    "TAKE_TURN_ACTIVITY",
    "TURN_END_QUERY",
    "CopiedTranscript",
    "EndedStatus",
    "TakenTurn",
    "TaskEnd",
    "TranscriptCopy",
    "TurnEnd",
    "TurnToTake",
    "UnreadMessage",
]

TAKE_TURN_ACTIVITY = "take_turn"
TURN_END_QUERY = "turn_end"
READ_TASK_END_ACTIVITY = "read_task_end"
COPY_TRANSCRIPT_ACTIVITY = "copy_transcript"

EndedStatus = Literal["completed", "failed", "cancelled", "terminated", "timed_out"]


class TaskEnd(Record):
    """The result of the activity that reads whether a task has ended."""

    is_ended: bool
    """Also where Temporal doesn't have the task any more."""


class TranscriptCopy(Record):
    """The argument of the activity that copies another conversation's transcript."""

    conversation_id: str
    """Of the copy."""
    source: TranscriptSource


class CopiedTranscript(Record):
    """The result of the activity that copies a transcript."""

    pages: tuple[StoredMessages, ...]
    digest: str
    """Of the copy: references to stored contents differ."""


class TurnToTake(Record):
    """The argument of the activity that takes an ended turn's messages over into its conversation's transcript."""

    conversation_id: str
    task_id: str
    version: int = 1
    """Of the conversation's transcript, and so are the next two: what the turn went on from."""
    end: int = 0
    digest: str = EMPTY_DIGEST
    small_pages: tuple[StoredMessages, ...] = Field(default=(), exclude_if=lambda pages: not pages)
    """The last pages of the transcript, where they are so many that they are to be stored again as few."""
    messages: tuple[Message, ...] | None = Field(default=None, exclude_if=lambda messages: messages is None)
    """If given, these are stored, and the task isn't read: it is gone."""


class UnreadMessage(Record):
    """A message to a task that ended before its model read it."""

    id: str | None = Field(default=None, exclude_if=lambda id: id is None)
    message: Message


class TurnEnd(Record):
    """The result of the query ``turn_end`` of a task: what its conversation needs of it beside its messages."""

    version: int = 1
    """The version of the task's transcript in which its last finished step ended."""
    end: int
    """Position in it after that step's last message."""
    step: int
    """The last finished step."""
    later_calls: tuple[LedgerEntry, ...] = ()
    """The tool calls after that step that may have taken effect."""
    newest_version: int = 1
    """Of the task's transcript, and so are the next two."""
    later_start: int
    """Position of the first message after that step."""
    later_end: int
    """Position after the last message."""
    facts: tuple[str, ...] = ()
    """What became of the newest irreversible calls of the conversation, a line each."""
    context: ContextState | None = None
    """Whether the transcript is to be shortened."""
    usage: Usage
    is_timed_out: bool = False
    """Whether the task failed because its time was over."""
    error: str | None = None
    """Why the task failed."""
    received_ids: tuple[str, ...] = ()
    """The ids of the newest messages that reached the task."""
    unread: tuple[UnreadMessage, ...] = ()
    """Messages that its model has not read, oldest first."""


class TakenTurn(Record):
    """The result of the activity that takes an ended turn's messages over."""

    is_gone: bool = Field(default=False, exclude_if=lambda is_gone: not is_gone)
    """Whether Temporal doesn't have the task any more: then nothing was stored, and nothing else is known."""
    status: EndedStatus | None = None
    pages: tuple[StoredMessages, ...] = ()
    """Where the messages are stored. They take the place of all pages of the transcript that aren't before the first
    one of them."""
    end: int = 0
    """Position in the conversation's transcript after the last message."""
    digest: str = EMPTY_DIGEST
    """Digest of the conversation's transcript up to there."""
    is_new_version: bool = Field(default=False, exclude_if=lambda is_new: not is_new)
    """Whether the turn made its transcript shorter: then the pages are those of all messages."""
    facts: tuple[str, ...] | None = None
    """As ``TurnEnd`` has them; None: not known."""
    context: ContextState | None = None
    usage: Usage = Usage()
    output: str | None = None
    """The text of the last response, where the task completed."""
    error: str | None = None
    received_ids: tuple[str, ...] = Field(default=(), exclude_if=lambda ids: not ids)
    """The ids of the messages that reached the task."""
    unread: tuple[UnreadMessage, ...] = Field(default=(), exclude_if=lambda unread: not unread)
    """Those among them that its model has not read, and others without ids."""
