"""Conversations and turns as the services return them, independent of REST and gRPC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self
from urllib.parse import quote

from typing_extensions import TypedDict

from agentkit.interfaces import DEFAULT_TENANT
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
"""``waiting``: the running turn waits for a person. ``expired``: the conversation has ended, and takes no messages."""


class ConversationOrigin(Record):
    """The conversation and turn that a fork was made from."""

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
    tenant: str = DEFAULT_TENANT
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    on_busy: OnBusy = "reject"
    turns: int = 0
    """Number of turns that have started."""
    current_task_id: str | None = None
    """The id of the running turn's task."""
    queued: int = 0
    """Number of messages that wait for a turn of their own."""
    usage: TaskUsage = field(default_factory=TaskUsage)
    """Of all turns that have ended."""
    created_at: datetime
    updated_at: datetime
    """When a turn last started or ended, or a setting was last changed."""
    expires_at: datetime | None = None
    """None: never, or a turn runs."""
    forked_from: ConversationOrigin | None = None
    """The conversation that this one was forked from."""
    links: ConversationLinks


@dataclass(frozen=True, slots=True)
class CreatedConversation:
    """The response to a request for a new conversation."""

    conversation: ConversationSnapshot
    is_new: bool
    """False if an earlier request with the same idempotency key started it."""


@dataclass(frozen=True, slots=True)
class ChangedConversation:
    """The response to a change."""

    conversation: ConversationSnapshot
    is_decided: bool
    """False if no worker has applied the change yet."""


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
    """The turn that responds to the message."""
    outcome: MessageOutcome | None
    """None if no worker has processed it yet."""
    is_new: bool = True
    """False if an earlier request with the same idempotency key sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSnapshot:
    """A person's message, and the task that responds to it."""

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
