"""Conversations in REST's JSON: the schemas of requests and responses, with examples, and their mapping to
``api.conversations``, as ``task_schemas`` does for tasks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from agentkit.interfaces import DEFAULT_TENANT
from api.conversations.conversation_requests import (
    ConversationChange,
    ConversationForkRequest,
    ConversationListRequest,
    NewConversation,
    TurnListRequest,
    TurnRequest,
)
from api.conversations.conversation_snapshot import ShownConversationStatus
from api.rest.tasks.task_schemas import ErasedTaskResponse, TaskUsageResponse
from workflows.conversations.conversation_types import OnBusy
from workflows.task_types import TaskStatus

__all__ = [
    "ChangeConversationRequest",
    "ConversationLinksResponse",
    "ConversationListParams",
    "ConversationListResponse",
    "ConversationOriginResponse",
    "ConversationResponse",
    "CreateConversationRequest",
    "ErasedConversationResponse",
    "ForkOfConversationRequest",
    "SendTurnRequest",
    "TurnListParams",
    "TurnListResponse",
    "TurnResponse",
]

_ID = "conversation-01a1ffab7d617517824951118c3e99ab"
_CONVERSATION: JsonValue = {
    "id": _ID,
    "agent": "assistant",
    "model": None,
    "status": "idle",
    "title": "A trip to Lisbon",
    "user": "ada",
    "tags": ["travel"],
    "metadata": {"ticket": "4711"},
    "on_busy": "reject",
    "turns": 2,
    "current_task_id": None,
    "queued": 0,
    "usage": {
        "tokens": 164,
        "cost_usd": None,
        "unpriced_calls": 2,
        "input_tokens": 140,
        "output_tokens": 24,
        "cached_tokens": 0,
        "model_calls": 2,
        "tool_calls": 0,
    },
    "created_at": "2026-11-21T19:53:11.265334Z",
    "updated_at": "2026-11-21T19:58:02.104512Z",
    "expires_at": "2026-12-21T19:58:02.104512Z",
    "forked_from": None,
    "links": {
        "self": f"/api/v1/conversations/{_ID}",
        "turns": f"/api/v1/conversations/{_ID}/turns",
        "transcript": f"/api/v1/conversations/{_ID}/transcript",
        "temporal_ui": f"http://localhost:8233/namespaces/default/workflows/{_ID}",
    },
}
_TURN: JsonValue = {
    "number": 1,
    "task_id": f"{_ID}-01a1ffab7d61e2c9a4b0d1f3",
    "status": "completed",
    "agent": "assistant",
    "model": "openai:gpt-5-mini",
    "input": "Where should I stay in Lisbon?",
    "output": "In Alfama.",
    "error": None,
    "started_at": "2026-11-21T19:53:11.271118Z",
    "ended_at": "2026-11-21T19:53:12.004512Z",
}
_NEW_CONVERSATION: JsonValue = {
    "agent": "assistant",
    "user": "ada",
    "on_busy": "enqueue",
    "idle_expiry": "30d",
    "message": "Where should I stay in Lisbon?",
}


def _with_example(example: JsonValue) -> ConfigDict:
    extra: dict[str, Any] = {"example": example}
    return ConfigDict(json_schema_extra=extra)


class CreateConversationRequest(NewConversation):
    """Whom to talk with, and how."""

    model_config = _with_example(_NEW_CONVERSATION)


class SendTurnRequest(TurnRequest):
    """A message to a conversation: the input of a turn."""

    model_config = _with_example({"input": "And where should I eat?"})


class ChangeConversationRequest(ConversationChange):
    """What to change of a conversation, from the next message on; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"model": "openai:gpt-5"}, "minProperties": 1})


class ForkOfConversationRequest(ConversationForkRequest):
    """Where a new conversation goes on from another one, and how it differs."""

    model_config = _with_example({"from_turn": 1, "title": "Porto instead"})


class ConversationListParams(ConversationListRequest):
    """Which conversations to list, and which page."""

    @field_validator("created_after", "created_before", mode="before")
    @classmethod
    def _restore_plus(cls, value: object) -> object:
        """Accept ``+00:00`` also where a client didn't encode the ``+``, which means a space in a URL."""
        return value.replace(" ", "+") if isinstance(value, str) else value


class TurnListParams(TurnListRequest):
    """Which page of a conversation's turns."""


class _Response(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)

    @classmethod
    def of(cls, source: object) -> Self:
        """Return a type of ``api.conversations`` as a response; its fields have the same names."""
        return cls.model_validate(source)


class ConversationOriginResponse(_Response):
    """The conversation that a fork goes on from."""

    conversation_id: str
    turn: int
    """The last turn that they have in common."""


class ConversationLinksResponse(_Response):
    """Related resources."""

    self: str
    turns: str
    transcript: str
    temporal_ui: str


class ConversationResponse(_Response):
    """Successive tasks that share a transcript. It is as recorded last; that needs no worker."""

    model_config = _with_example(_CONVERSATION)

    id: str
    agent: str
    """Of messages that name no other one."""
    model: str | None = None
    """`provider:name`, instead of the agent's own."""
    status: ShownConversationStatus
    """`waiting`: the running turn waits for a person. `expired`: it has ended, and takes no more messages."""
    title: str = ""
    user: str | None = None
    tenant: str = Field(default=DEFAULT_TENANT, exclude_if=lambda tenant: tenant == DEFAULT_TENANT)
    """Left out where it is `default`."""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    on_busy: OnBusy
    turns: int = 0
    """How many have started."""
    current_task_id: str | None = None
    """The running turn."""
    queued: int = 0
    """How many messages wait for their turn."""
    usage: TaskUsageResponse = TaskUsageResponse()
    """Of all turns that have ended."""
    created_at: datetime
    updated_at: datetime
    """When a turn started or ended last, or something was changed."""
    expires_at: datetime | None = None
    """Null: never, or not while a turn runs."""
    forked_from: ConversationOriginResponse | None = None
    """Of a fork: the conversation that it goes on from."""
    links: ConversationLinksResponse


class ErasedConversationResponse(ErasedTaskResponse):
    """How far the erasure of a conversation and its turns is."""

    model_config = _with_example(
        {"id": _ID, "status": "erasing", "memories": 2, "waiting_for_worker": False, "problem": None}
    )


class ConversationListResponse(_Response):
    """A page of conversations, newest first. What Temporal lists may lag behind by a moment."""

    model_config = _with_example({"conversations": [_CONVERSATION], "next_cursor": None, "total": 1})

    conversations: tuple[ConversationResponse, ...]
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page; null on the last."""
    total: int
    """How many conversations fit the filters."""


class TurnResponse(_Response):
    """A message of a person and what became of it. `GET /tasks/{task_id}` has all of it."""

    model_config = _with_example(_TURN)

    number: int
    """From 1; those of a fork follow those that it has in common with its source."""
    task_id: str
    status: TaskStatus
    agent: str
    model: str
    input: str
    """Shortened."""
    output: str | None = None
    """Shortened; JSON where it isn't text. Null until the turn has completed."""
    error: str | None = None
    """Why it failed, shortened."""
    started_at: datetime
    ended_at: datetime | None = None


class TurnListResponse(_Response):
    """A page of turns, by number."""

    model_config = _with_example({"turns": [_TURN], "next_cursor": None})

    turns: tuple[TurnResponse, ...]
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page; null on the last."""
