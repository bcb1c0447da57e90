"""Conversations and their turns as the services return them, in no protocol's format."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self
from urllib.parse import quote

from typing_extensions import TypedDict

from agentkit.records import Record
from api.tasks.task_snapshot import TaskSnapshot, TaskUsage
from workflows.conversations.conversation_types import MessageOutcome, OnBusy
from workflows.task_types import TaskStatus

__all__ = [
    "ChangedConversation",
    "ConversationLinks",
    "ConversationOrigin",
    "ConversationPage",
    "ConversationSnapshot",
    "ConversationUrls",
    "CreatedConversation",
    "SentTurn",
    "ShownConversationStatus",
    "TurnSlice",
    "TurnSnapshot",
]

ShownConversationStatus = Literal["idle", "running", "waiting", "expired", "deleted"]
"""``waiting``: the running turn waits for a person's answer. ``expired``: it has ended, and takes no more messages."""


class ConversationOrigin(Record):
    """The conversation that a fork goes on from."""

    conversation_id: str
    turn: int
    """The last turn that they have in common; 0: none."""


class ConversationLinks(TypedDict):
    """URLs, or paths of this API."""

    self: str
    turns: str
    transcript: str
    temporal_ui: str


@dataclass(frozen=True, slots=True)
class ConversationUrls:
    """The prefixes of conversations' links."""

    temporal_ui: str
    """URL before the workflow's id."""
    api: str = "/api/v1/conversations/"
    """Path before the conversation's id."""

    @classmethod
    def of(cls, temporal_ui_url: str, namespace: str) -> Self:
        """Return the prefixes for this API, and for the Temporal Web UI at a base URL."""
        return cls(f"{temporal_ui_url.rstrip('/')}/namespaces/{namespace}/workflows/")

    def links(self, conversation_id: str) -> ConversationLinks:
        """Return a conversation's links."""
        name = quote(conversation_id, safe="")
        path = self.api + name
        return {
            "self": path,
            "turns": f"{path}/turns",
            "transcript": f"{path}/transcript",
            "temporal_ui": self.temporal_ui + name,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSnapshot:
    """A conversation at one moment."""

    id: str
    agent: str
    model: str | None = None
    """``provider:name``, instead of the agent's own."""
    status: ShownConversationStatus
    title: str = ""
    user: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    on_busy: OnBusy = "reject"
    turns: int = 0
    """How many have started."""
    current_task_id: str | None = None
    """The running turn."""
    queued: int = 0
    """How many messages wait for their turn."""
    usage: TaskUsage = field(default_factory=TaskUsage)
    """Of all turns that have ended."""
    created_at: datetime
    updated_at: datetime
    """When a turn started or ended last, or something was changed."""
    expires_at: datetime | None = None
    """None: never, or not while a turn runs."""
    forked_from: ConversationOrigin | None = None
    """Of a fork: the conversation that it goes on from."""
    links: ConversationLinks

    @property
    def has_ended(self) -> bool:
        """Whether it takes no more messages."""
        return self.status in ("expired", "deleted")


@dataclass(frozen=True, slots=True)
class CreatedConversation:
    """The response to a request for a new conversation."""

    conversation: ConversationSnapshot
    is_new: bool
    """False where an earlier request with the same idempotency key started it."""


@dataclass(frozen=True, slots=True)
class ChangedConversation:
    """The response to a change."""

    conversation: ConversationSnapshot
    is_decided: bool
    """False where no worker has made the change yet."""


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """A page of a list, newest conversation first."""

    conversations: tuple[ConversationSnapshot, ...]
    next_cursor: str | None
    """None on the last page."""
    total: int
    """The number of conversations that fit the filters."""


@dataclass(frozen=True, slots=True)
class SentTurn:
    """The response to a message."""

    task: TaskSnapshot
    """The turn that answers the message."""
    outcome: MessageOutcome | None
    """None where no worker has taken it yet."""
    is_new: bool = True
    """False where an earlier request with the same idempotency key sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSnapshot:
    """A message of a person and what became of it."""

    number: int
    """From 1."""
    task_id: str
    status: TaskStatus
    agent: str
    model: str
    input: str
    """Shortened."""
    output: str | None = None
    """Shortened; JSON where it isn't text. None until the turn has completed."""
    error: str | None = None
    """Why it failed, shortened."""
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TurnSlice:
    """A page of turns, by number."""

    turns: tuple[TurnSnapshot, ...]
    next_cursor: str | None
    """None on the last page."""
