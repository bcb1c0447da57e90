"""Requests about conversations, with all validation rules: REST and gRPC convert to these types, and add no rule."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, field_validator, model_validator

from agentkit.config.durations import Duration
from agentkit.validation.number_fields import require_number
from api.tasks.requests.content_input import TaskContent
from api.tasks.requests.request_validation import ServiceRequest
from api.tasks.requests.task_requests import MODEL_PATTERN, NO_CONTROLS, TAG_PATTERN, LimitsChange, RequestTime
from workflows.conversations.conversation_types import OnBusy

__all__ = [
    "ConversationChange",
    "ConversationForkRequest",
    "ConversationListRequest",
    "ListedConversationStatus",
    "NewConversation",
    "TurnListRequest",
    "TurnRequest",
]

ListedConversationStatus = Literal["idle", "running", "expired"]
"""The statuses that lists filter by; ``running`` includes conversations that wait for a person."""

_MAX_TURNS = 1_000_000_000
_ON_BUSY = (
    "What becomes of a message while a turn runs: `reject` refuses it (409), with `enqueue` it is the next turn, and "
    "with `interrupt` the running turn reads it; model and tool calls that may be cancelled are cancelled first."
)

_Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_CONTROLS)]
_AgentName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Title = Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROLS)]
_Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=TAG_PATTERN)]
_MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_MetadataValue = Annotated[str, StringConstraints(max_length=1024)]
_Metadata = Annotated[dict[_MetadataKey, _MetadataValue], Field(max_length=50)]
_Model = Annotated[
    str,
    Field(
        max_length=255,
        description="`provider:name`, instead of the agent's own.",
        json_schema_extra={"pattern": MODEL_PATTERN},
    ),
]


class NewConversation(ServiceRequest):
    """Whom to talk with, and how."""

    agent: _AgentName = Field(description="The name of the agent; a message may name another one.")
    model: _Model | None = None
    title: _Title | None = Field(default=None, description="Without one, the first words of the first message.")
    user: _Name | None = Field(default=None, description="Who talks: the scope of long-term memory.")
    tags: tuple[_Tag, ...] = Field(default=(), max_length=20)
    metadata: _Metadata = Field(default_factory=dict)
    on_busy: OnBusy = Field(default="reject", description=_ON_BUSY)
    idle_expiry: Duration | None = Field(
        default=None,
        description='The conversation expires when so long no turn runs: seconds, or text such as "30d". '
        "Without it, it doesn't expire.",
    )
    message: TaskContent | None = Field(
        default=None, description="The first message, which starts the first turn: as `input` of a message."
    )

    @property
    def unique_tags(self) -> tuple[str, ...]:
        """The tags in their order, each once."""
        return tuple(dict.fromkeys(self.tags))


class TurnRequest(ServiceRequest):
    """A message to a conversation: the input of a turn."""

    input: TaskContent = Field(description="Text, a list of content parts, or a prompt of an MCP server.")
    agent: _AgentName | None = Field(default=None, description="Of this turn, instead of the conversation's.")
    model: _Model | None = None
    on_busy: OnBusy | None = Field(default=None, description=f"For this message. {_ON_BUSY}")
    limits: LimitsChange | None = Field(default=None, description="Of this turn.")
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema that the turn's output must fit; then it is JSON."
    )
    metadata: _Metadata = Field(default_factory=dict, description="Of this turn.")

    @property
    def limit_changes(self) -> dict[str, Any]:
        """The limits that the request sets, without defaults."""
        return self.limits.model_dump(exclude_unset=True) if self.limits else {}


class ConversationChange(ServiceRequest):
    """What to change of a conversation, from the next message on; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    title: _Title | None = None
    agent: _AgentName | None = Field(default=None, description="The name of another agent.")
    model: _Model | None = Field(default=None, description="`provider:name`; null: the agent's own.")
    on_busy: OnBusy | None = Field(default=None, description=_ON_BUSY)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("Nothing is to change. Give title, agent, model or on_busy")
        return self


class ConversationForkRequest(ServiceRequest):
    """Where a new conversation goes on from another one, and how it differs."""

    _numbers = field_validator("from_turn", mode="before")(require_number)

    from_turn: int = Field(
        ge=0,
        le=_MAX_TURNS,
        description="The last turn that they have in common; 0: none.",
    )
    title: _Title | None = None
    agent: _AgentName | None = Field(default=None, description="The name of another agent.")
    model: _Model | None = None


class ConversationListRequest(ServiceRequest):
    """Which conversations to list, and which page; None and empty are no filter."""

    status: tuple[ListedConversationStatus, ...] = Field(
        default=(), description="Given several times: any of these. `running` includes those that wait for a person."
    )
    agent: _Name | None = None
    tag: _Tag | None = Field(default=None, description="One of the conversation's tags.")
    created_after: RequestTime | None = None
    created_before: RequestTime | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(
        default=None,
        max_length=1000,
        description="`next_cursor` of the page before, with the same filters.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    )


class TurnListRequest(ServiceRequest):
    """Which page of a conversation's turns."""

    start: int | None = Field(
        default=None, ge=1, le=_MAX_TURNS, description="The number of the first turn, from 1; a `cursor` wins."
    )
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(
        default=None,
        pattern="^[0-9]{1,9}$",
        description="`next_cursor` of the page before.",
    )

    @property
    def after(self) -> int:
        """The page starts with the turn after this number."""
        return int(self.cursor) if self.cursor is not None else (self.start or 1) - 1
