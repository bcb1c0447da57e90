"""Input requests: what a task asks of a person, and what the person answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AliasChoices, ConfigDict, Field, JsonValue

from agentkit.policy_rules import Expiry
from agentkit.records import Record
from agentkit.specs import RaisedLimits, ToolSpec

__all__ = [
    "DECISIONS",
    "INTERRUPTION",
    "AnswerDecision",
    "GivenAnswer",
    "InputAnswer",
    "InputRequest",
    "InputRequestKind",
    "Remember",
    "answer_example",
    "arguments_sha256",
    "call_sha256",
    "changed_arguments",
    "tool_sha256",
]

InputRequestKind = Literal["approval", "question", "unknown_outcome", "limit", "elicitation"]
"""``elicitation`` is a question of an MCP server."""

AnswerDecision = Literal["approve", "deny", "answer", "decline", "happened", "retry", "give_up", "raise", "stop"]

DECISIONS: Mapping[InputRequestKind, tuple[AnswerDecision, ...]] = {
    "approval": ("approve", "deny"),
    "question": ("answer", "decline"),
    "unknown_outcome": ("happened", "retry", "give_up"),
    "limit": ("raise", "stop"),
    "elicitation": ("answer", "decline"),
}
"""The decisions that an answer may have, by the kind of its request."""

INTERRUPTION = "an interruption"
"""Who answers where a person interrupts the step."""

Remember = Literal["task", "task_same_arguments"]
"""``task``: the decision holds for later calls of the same tool in the task. ``task_same_arguments``: only for those
with the same arguments, too."""

_Person = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


def _absent(value: object) -> bool:
    return value is None or value == ()


class GivenAnswer(Record):
    """An answer that a request has, and that doesn't settle it yet: more people must approve."""

    decision: AnswerDecision
    answered_by: str | None = None
    at: datetime


class InputRequest(Record):
    """Something that a person must answer before a task goes on."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    id: str
    """Unique within the task, such as ``input_1``."""
    kind: InputRequestKind
    step: int
    call_id: str | None = Field(default=None, exclude_if=_absent)
    tool: str | None = Field(default=None, exclude_if=_absent)
    arguments: dict[str, JsonValue] | None = Field(default=None, exclude_if=_absent)
    """The arguments of the call; None where they are too long for a list: the ``input_requests`` query has them."""
    choices: tuple[str, ...] | None = Field(default=None, exclude_if=_absent)
    """Of a question: the answer must be one of these."""
    answer_schema: dict[str, JsonValue] | None = Field(
        default=None,
        validation_alias=AliasChoices("schema", "answer_schema"),
        serialization_alias="schema",
        exclude_if=_absent,
    )
    """JSON Schema of the answer."""
    url: str | None = Field(default=None, exclude_if=_absent)
    """The page that an MCP server asks a person to open; nothing here opens it. The answer has no value then."""
    reason: str | None = Field(default=None, exclude_if=_absent)
    """What the model wrote beside the call."""
    message: str
    """What is asked, and why, for the person."""
    approvers: tuple[str, ...] | None = Field(default=None, exclude_if=_absent)
    """Who may answer: names or groups; None: anyone."""
    count: int = Field(default=1, exclude_if=lambda count: count == 1)
    """How many people must approve."""
    answers: tuple[GivenAnswer, ...] = Field(default=(), exclude_if=_absent)
    """The approvals so far, where several people must approve."""
    sha256: str | None = Field(default=None, exclude_if=_absent)
    """Of the tool's definition and the arguments: an approval is valid for these only."""
    opened_at: datetime
    expires_at: datetime | None = Field(default=None, exclude_if=_absent)
    on_expiry: Expiry | None = Field(default=None, exclude_if=_absent)
    escalate_to: tuple[str, ...] | None = Field(default=None, exclude_if=_absent)
    """Who is asked next, where ``on_expiry`` is ``escalate``."""


class InputAnswer(Record):
    """A person's answer: the argument of the signal and the update ``answer_input``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_request_id: str = Field(max_length=200)
    decision: AnswerDecision
    arguments: dict[str, JsonValue] | None = Field(default=None, exclude_if=_absent)
    """With ``approve``: other arguments for the call. The policy decides on them anew."""
    answer: JsonValue = Field(default=None, exclude_if=_absent)
    """With ``answer``: text, one of the choices, or what fits the request's schema."""
    result: JsonValue = Field(default=None, exclude_if=_absent)
    """With ``happened``: what the model reads as the call's result."""
    limits: RaisedLimits | None = Field(default=None, exclude_if=_absent)
    """With ``raise``: the new limits."""
    remember: Remember | None = Field(default=None, exclude_if=_absent)
    """Whether an approval or denial holds for later calls, too."""
    comment: str | None = Field(default=None, max_length=4_000, exclude_if=_absent)
    """For the model, and for the record."""
    answered_by: _Person | None = Field(default=None, exclude_if=_absent)
    """Who answers."""
    groups: Annotated[tuple[_Person, ...], Field(max_length=100)] = Field(default=(), exclude_if=_absent)
    """The groups that this person is in."""
    sha256: str | None = Field(default=None, max_length=64, exclude_if=_absent)
    """If given, that of the request: the answer then counts for this call and these arguments only."""


def changed_arguments(request: InputRequest, answer: InputAnswer) -> dict[str, JsonValue] | None:
    """Return the arguments of an answer where they differ from those of its request; None: they are the same."""
    given, current = answer.arguments, request.arguments or {}
    return None if given is None or _sorted_json(given) == _sorted_json(current) else given


def answer_example(request: InputRequest) -> str:
    """Return an answer to the request as JSON, for a person to edit: the first decision of its kind."""
    example: dict[str, JsonValue] = {"input_request_id": request.id, "decision": DECISIONS[request.kind][0]}
    if request.kind in ("question", "elicitation") and request.url is None:
        example["answer"] = _example_answer(request)
    if request.kind == "limit":
        example["limits"] = {"max_steps": 60}
    example["answered_by"] = "YOUR NAME"
    if request.approvers:
        example["groups"] = [request.approvers[0]]
    return json.dumps(example)


def _example_answer(request: InputRequest) -> JsonValue:
    if request.choices:
        return request.choices[0]
    properties = (request.answer_schema or {}).get("properties")
    if not isinstance(properties, dict):
        return "YOUR ANSWER"
    return {name: _example_value(field) for name, field in properties.items()}


def _example_value(schema: JsonValue) -> JsonValue:
    """Return a value of about the kind that a schema takes, for a person to replace."""
    field = schema if isinstance(schema, dict) else {}
    choices = field.get("enum")
    if "default" in field or "const" in field:
        return field.get("default", field.get("const"))
    if isinstance(choices, list) and choices:
        return choices[0]
    match field.get("type"):
        case "boolean":
            return True
        case "integer" | "number":
            return field.get("minimum", 1)
        case "array":
            return []
        case "object":
            return {}
    return "YOUR ANSWER"


def arguments_sha256(arguments: Mapping[str, JsonValue]) -> str:
    """Return the SHA-256 of the arguments as JSON with sorted keys, in hexadecimal."""
    return hashlib.sha256(_sorted_json(arguments)).hexdigest()


def tool_sha256(tool: ToolSpec) -> str:
    """Return the SHA-256 of the tool's definition, in hexadecimal."""
    return hashlib.sha256(tool.canonical_json()).hexdigest()


def call_sha256(tool: ToolSpec, arguments: Mapping[str, JsonValue]) -> str:
    """Return the SHA-256 of the tool's definition and the arguments, in hexadecimal."""
    digest = hashlib.sha256(tool.canonical_json())
    digest.update(_sorted_json(arguments))
    return digest.hexdigest()


def _sorted_json(value: Mapping[str, JsonValue]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
