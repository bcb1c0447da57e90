"""Input requests, answers, messages, limits and forks in REST's JSON: schemas with examples."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from agentkit.input_requests import GivenAnswer, InputRequestKind
from agentkit.policy_rules import Expiry
from agentkit.specs import RaisedLimits
from api.tasks.requests.steering_requests import AnswerRequest, ForkRequest, InboxRequest, MessageRequest

__all__ = [
    "AnswerInputRequest",
    "ForkTaskRequest",
    "InboxParams",
    "InputRequestListResponse",
    "InputRequestResponse",
    "InputRequestsResponse",
    "RaiseLimitsRequest",
    "SendMessageRequest",
]

_INPUT_REQUEST: JsonValue = {
    "id": "input_1",
    "kind": "approval",
    "step": 1,
    "call_id": "call_1",
    "tool": "transfer_money",
    "arguments": {"to": "DE02", "amount": 700},
    "message": "Approve this call of transfer_money?",
    "approvers": ["finance"],
    "count": 1,
    "sha256": "9f2f0b6e0f1c3f7f9a77a6f1a3c1be0f0a3fd4c3a7be0b6ee3b0c44298fc1c14",
    "opened_at": "2026-11-21T19:53:11.271118Z",
    "expires_at": "2026-11-22T19:53:11.271118Z",
    "on_expiry": "deny",
    "task_id": "task-01a1ffab7d617517824951118c3e99ab",
    "agent": "clerk",
}


class AnswerInputRequest(AnswerRequest):
    """A person's answer to an input request."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"decision": "approve", "answered_by": "ada", "groups": ["finance"]}}
    )


class SendMessageRequest(MessageRequest):
    """A person's message to a running task."""

    model_config = ConfigDict(json_schema_extra={"example": {"text": "Use euros, please.", "mode": "enqueue"}})


class RaiseLimitsRequest(RaisedLimits):
    """New ceilings of a running task; those left out stay as they are."""


class ForkTaskRequest(ForkRequest):
    """Where a new task goes on from another one, and how it differs."""

    model_config = ConfigDict(json_schema_extra={"example": {"from_step": 2, "input": "Now without the discount."}})


class InboxParams(InboxRequest):
    """Which pending input requests to list, and which page."""


class _Response(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class InputRequestResponse(_Response):
    """Something that a person must answer before a task goes on. Fields without a value are left out."""

    model_config = ConfigDict(json_schema_extra={"example": _INPUT_REQUEST}, serialize_by_alias=True)

    id: str
    """Unique within the task."""
    task_id: str
    agent: str
    kind: InputRequestKind
    step: int
    call_id: str | None = None
    tool: str | None = None
    arguments: dict[str, JsonValue] | None = None
    """Of the call; in lists left out where they are long."""
    choices: tuple[str, ...] | None = None
    """Of a question: the answer must be one of these."""
    answer_schema: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    """JSON Schema of the answer."""
    url: str | None = None
    """The page that an MCP server asks a person to open. The answer needs no value."""
    reason: str | None = None
    """What the model wrote beside the call."""
    message: str
    """What is asked, and why."""
    approvers: tuple[str, ...] | None = None
    """Who may answer: names or groups; left out: anyone."""
    count: int = 1
    """How many people must approve."""
    answers: tuple[GivenAnswer, ...] = ()
    """The approvals so far, where several people must approve."""
    sha256: str | None = None
    """Of the tool's definition and the arguments: an approval is valid for these only."""
    opened_at: datetime
    expires_at: datetime | None = None
    on_expiry: Expiry | None = None
    escalate_to: tuple[str, ...] | None = None
    """Who is asked next, where `on_expiry` is `escalate`."""


class InputRequestsResponse(_Response):
    """The pending input requests of a task, oldest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"input_requests": [_INPUT_REQUEST]}})

    input_requests: tuple[InputRequestResponse, ...]


class InputRequestListResponse(InputRequestsResponse):
    """A page of pending input requests, of the newest tasks first."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"input_requests": [_INPUT_REQUEST], "next_cursor": None, "total": 1}}
    )

    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last."""
    total: int
    """How many there are, where one page has all of them; else the number of tasks that have such requests."""

    @classmethod
    def of(cls, page: object) -> Self:
        """Return a page of ``api.tasks`` as a response; its fields have the same names."""
        return cls.model_validate(page)
