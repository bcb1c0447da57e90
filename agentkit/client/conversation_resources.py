"""The API's objects of conversations, as far as programs read them; unknown fields are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from agentkit.client.resources import ApiObject, DeletedTask, TaskStatus
from agentkit.interfaces import DEFAULT_TENANT
from agentkit.messages import InputPart, Usage
from agentkit.records import Record

__all__ = [
    "Conversation",
    "ConversationList",
    "ConversationStatus",
    "ConversationTurn",
    "DeletedConversation",
    "ForkedTurn",
    "OnBusy",
    "TurnList",
]

ConversationStatus = Literal["idle", "running", "waiting", "expired", "deleted"]

OnBusy = Literal["reject", "enqueue", "interrupt"]
"""What becomes of a message while a turn runs: it is refused, is the next turn, or is read by the turn that runs."""


class ForkedTurn(Record):
    """Where a fork of a conversation comes from."""

    conversation_id: str
    turn: int
    """The last turn that both conversations have in common; 0: none."""


class Conversation(ApiObject):
    """Successive tasks, its turns, that share a transcript."""

    id: str
    agent: str = ""
    """The agent of the next turn."""
    model: str | None = None
    """``provider:name`` of the next turn; None: the agent's own."""
    status: ConversationStatus
    title: str | None = None
    user: str | None = None
    tenant: str = DEFAULT_TENANT
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    on_busy: OnBusy = "reject"
    turns: int = 0
    """How many turns have started."""
    current_task_id: str | None = None
    """The turn that runs; None: none does."""
    queued: int = 0
    """How many messages wait for their turn."""
    usage: Usage = Usage()
    """Of all turns."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    """When it ends by itself unless another message comes."""
    forked_from: ForkedTurn | None = None
    links: dict[str, str | None] = Field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it takes no messages any more."""
        return self.status in ("expired", "deleted")


class ConversationList(ApiObject):
    """A page of conversations, newest first."""

    conversations: tuple[Conversation, ...]
    next_cursor: str | None = None
    total: int | None = None


class DeletedConversation(DeletedTask):
    """How far the erasure of a conversation and its turns is."""


class ConversationTurn(Record):
    """A message of a person, and the task that responds to it."""

    number: int
    """From 1."""
    task_id: str
    status: TaskStatus
    agent: str = ""
    model: str | None = None
    input: str | tuple[InputPart, ...] | None = None
    """Its beginning, where it is long; the transcript has all of it, as of the output."""
    output: JsonValue = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class TurnList(ApiObject):
    """A page of the turns of a conversation, oldest first."""

    turns: tuple[ConversationTurn, ...]
    next_cursor: str | None = None
