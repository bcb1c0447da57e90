"""Requests of people to running tasks, with their rules: answers, messages, forks, and what the inbox shows."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, StringConstraints, field_validator

from agentkit.config.durations import Duration
from agentkit.input_requests import AnswerDecision, InputAnswer, InputRequestKind, Remember
from agentkit.specs import RaisedLimits
from agentkit.validation.number_fields import require_number
from api.tasks.requests.content_input import TaskContent
from api.tasks.requests.request_validation import ServiceRequest
from api.tasks.requests.task_requests import NO_CONTROLS, LimitsChange
from workflows.task_types import MAX_MESSAGE_CHARS, MessageMode, SentMessage

__all__ = ["AnswerRequest", "ForkRequest", "InboxRequest", "MessageRequest"]

_Person = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
_MAX_STEP = 10_000
_NUMBER = re.compile(r"[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?")


class AnswerRequest(ServiceRequest):
    """A person's answer to an input request."""

    decision: AnswerDecision = Field(
        description="`approve`, `deny` (approval); `answer`, `decline` (question, elicitation); `happened`, `retry`, "
        "`give_up` (unknown outcome); `raise`, `stop` (limit)."
    )
    arguments: dict[str, JsonValue] | None = Field(
        default=None, description="With `approve`: other arguments for the call. The policy decides on them anew."
    )
    answer: JsonValue = Field(
        default=None,
        description="With `answer`: text, one of the choices, or what fits the request's schema; nothing for a `url`.",
    )
    result: JsonValue = Field(default=None, description="With `happened`: what the model reads as the call's result.")
    limits: RaisedLimits | None = Field(default=None, description="With `raise`: the new limits.")
    remember: Remember | None = Field(
        default=None,
        description="Whether an approval or denial holds for later calls in the task, too: of the same tool (`task`), "
        "or with the same arguments as well (`task_same_arguments`).",
    )
    comment: str | None = Field(default=None, max_length=4_000, description="For the model, and for the record.")
    answered_by: _Person | None = Field(default=None, description="Who answers.")
    groups: tuple[_Person, ...] = Field(default=(), max_length=100, description="The groups that this person is in.")
    sha256: str | None = Field(
        default=None,
        max_length=64,
        description="If given, that of the request: the answer then counts for this call and these arguments only.",
    )

    def answer_to(self, input_request_id: str) -> InputAnswer:
        """Return the answer as the workflow takes it."""
        return InputAnswer.model_validate({**dict(self), "input_request_id": input_request_id})


class MessageRequest(ServiceRequest):
    """A person's message to a running task."""

    text: str = Field(max_length=MAX_MESSAGE_CHARS, json_schema_extra={"pattern": r"\S"})
    mode: MessageMode = Field(
        default="enqueue",
        description="`enqueue`: the model reads it with its next request. `interrupt`: the running model call, and "
        "tool calls that may be cancelled, are cancelled first.",
    )
    sent_by: _Person | None = Field(default=None, description="Who sends it.")
    pinned: bool = Field(
        default=False, description="Whether it stays in the transcript, word for word, when that is shortened."
    )

    @field_validator("text")
    @classmethod
    def _not_blank(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("The message is empty. Write what the agent is to know")
        return text

    def message(self, message_id: str) -> SentMessage:
        """Return the message as the workflow takes it."""
        return SentMessage(text=self.text, mode=self.mode, id=message_id, sent_by=self.sent_by, pinned=self.pinned)


class ForkRequest(ServiceRequest):
    """Where a new task goes on from another one, and how it differs."""

    _numbers = field_validator("from_step", mode="before")(require_number)

    from_step: int = Field(
        ge=0,
        le=_MAX_STEP,
        description="The last step that they have in common; 0: nothing but the other's input.",
    )
    input: TaskContent | None = Field(
        default=None, description="What to do from there: text, a list of content parts, or a prompt of an MCP server."
    )
    agent: str | None = Field(
        default=None, max_length=255, description="The name of an agent, instead of the other task's."
    )
    model: str | None = Field(default=None, max_length=255, description="`provider:name`, instead of the agent's own.")
    limits: LimitsChange | None = None

    @property
    def limit_changes(self) -> dict[str, Any]:
        """The limits that the request sets, without defaults."""
        return self.limits.model_dump(exclude_unset=True) if self.limits else {}


class InboxRequest(ServiceRequest):
    """Which pending input requests to list, and which page."""

    status: Literal["pending"] = "pending"
    kind: tuple[InputRequestKind, ...] = Field(default=(), description="Given several times: any of these.")
    agent: str | None = Field(default=None, min_length=1, max_length=255, pattern=NO_CONTROLS)
    approver: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        pattern=NO_CONTROLS,
        description="A person or group whose answer they ask for by name.",
    )
    older_than: Duration | None = Field(
        default=None, description='Opened at least so long ago: seconds, or text such as "1h".'
    )
    limit: int = Field(default=50, ge=1, le=200, description="Of tasks; each may have several requests.")
    cursor: str | None = Field(
        default=None,
        max_length=1000,
        description="`next_cursor` of the page before, with the same filters.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    )

    @field_validator("older_than", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """Accept a number of seconds as text, which is all that a URL has."""
        return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
