"""Input requests: what a task asks of a person, and what the person answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from agentkit.records import Record
from agentkit.specs import ToolSpec

__all__ = [
    "DECISIONS",
    "AnswerDecision",
    "InputAnswer",
    "InputRequest",
    "InputRequestKind",
    "answer_example",
    "arguments_sha256",
    "call_sha256",
]

InputRequestKind = Literal["approval", "question", "unknown_outcome", "limit", "elicitation"]

AnswerDecision = Literal["approve", "deny", "answer", "decline", "happened", "retry", "give_up", "raise", "stop"]
"""``approve``, ``deny``: of an approval. ``happened``, ``retry``, ``give_up``: of an unknown outcome. The others are of
kinds that this release doesn't open."""

DECISIONS: Mapping[InputRequestKind, tuple[AnswerDecision, ...]] = {
    "approval": ("approve", "deny"),
    "unknown_outcome": ("happened", "retry", "give_up"),
}
"""The decisions that an answer may have, by the kind of its request."""


class InputRequest(Record):
    """Something that a person must answer before a task goes on."""

    id: str
    """Unique within the task, such as ``input_1``."""
    kind: InputRequestKind
    step: int
    call_id: str | None = None
    tool: str | None = None
    arguments: dict[str, JsonValue] | None = None
    """The arguments of the call; None where they are too long for a list: the ``input_requests`` query has them."""
    reason: str | None = None
    """What the model wrote beside the call."""
    message: str
    """What is asked, and why, for the person."""
    approvers: tuple[str, ...] | None = None
    """Who should answer: names or groups."""
    count: int = 1
    """How many people must approve."""
    sha256: str | None = None
    """Of the tool's definition and the arguments: an approval is valid for these only."""
    opened_at: datetime
    expires_at: datetime | None = None
    on_expiry: Literal["approve", "deny", "fail", "escalate"] | None = None
    escalate_to: tuple[str, ...] | None = None
    """Who is asked next, where ``on_expiry`` is ``escalate``."""


class InputAnswer(Record):
    """A person's answer: the argument of the signal and the update ``answer_input``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_request_id: str = Field(max_length=200)
    decision: AnswerDecision
    result: JsonValue = None
    """Of a call that happened: what the model reads as its result."""
    comment: str | None = Field(default=None, max_length=4_000)
    """For the model, and for the record."""
    by: str | None = Field(default=None, max_length=200)
    """Who answers."""
    sha256: str | None = None
    """If given, that of the request: the answer then counts for this call and these arguments only."""


def answer_example(request: InputRequest) -> str:
    """Return an answer to the request as JSON, for a person to edit: the first decision of its kind."""
    decision = DECISIONS.get(request.kind, ("answer",))[0]
    return json.dumps({"input_request_id": request.id, "decision": decision, "by": "YOUR NAME"})


def arguments_sha256(arguments: Mapping[str, JsonValue]) -> str:
    """Return the SHA-256 of the arguments as JSON with sorted keys, in hexadecimal."""
    return hashlib.sha256(_sorted_json(arguments)).hexdigest()


def call_sha256(tool: ToolSpec, arguments: Mapping[str, JsonValue]) -> str:
    """Return the SHA-256 of the tool's definition and the arguments, in hexadecimal."""
    digest = hashlib.sha256(tool.canonical_json())
    digest.update(_sorted_json(arguments))
    return digest.hexdigest()


def _sorted_json(value: Mapping[str, JsonValue]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
