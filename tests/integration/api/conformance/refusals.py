"""Hooks of schemathesis: which requests that fit the OpenAPI document may be refused, for what no schema can say."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response

from agentkit.config.durations import MAX_DURATION_S

_KNOWN = {"agent": "assistant", "model": "demo:demo"}
_KNOWN_IN_DEFINITIONS = {"model": "demo:demo", "tools": ["calculator"], "planner": "tools", "output_schema": None}

_REFUSALS = {
    ("createTask", "urn:opspawn:problem:task-refused"),  # what this release, or this server, lacks
    ("createConversation", "urn:opspawn:problem:task-refused"),
    ("sendConversationMessage", "urn:opspawn:problem:task-refused"),
    ("sendConversationMessage", "urn:opspawn:problem:message-refused"),  # too many wait
    ("forkConversation", "urn:opspawn:problem:task-refused"),  # a turn that the conversation does not have
    ("listConversations", "urn:opspawn:problem:cursor-invalid"),
    ("listTasks", "urn:opspawn:problem:cursor-invalid"),  # of other filters
    ("listMemories", "urn:opspawn:problem:cursor-invalid"),
    ("importMemories", "urn:opspawn:problem:invalid"),  # text that is no JSON lines
    ("eraseMemories", "urn:opspawn:problem:invalid"),  # no scope
    ("listInputRequests", "urn:opspawn:problem:cursor-invalid"),
    ("answerInputRequest", "urn:opspawn:problem:answer-mismatch"),  # what the request doesn't ask for
    ("raiseLimits", "urn:opspawn:problem:steering-refused"),  # what is lower than the task's limit
    ("forkTask", "urn:opspawn:problem:task-refused"),  # a step that the task has not finished
    ("watchTask", "urn:opspawn:problem:position-invalid"),  # of another task
}
"""Operation, and type of the problem."""
_ERASED = ("urn:opspawn:problem:task-erased", "urn:opspawn:problem:conversation-erased")
"""Problems of each operation, as 404 is: an earlier request has erased what the request names, or its key did."""
_TOO_LONG = f"Input should be less than or equal to {MAX_DURATION_S:.0f}"
"""What is said of text such as ``9999999d``, whose sum no pattern can limit."""

_TWO_SCOPES = "Give one of user, agent and scope"
"""What is said of requests about memories that name two; OpenAPI has no word for that in a query."""

_PAST_EXPIRY = "is past: a memory that expires then is gone at once"
"""What is said of a memory whose expiry has passed: no schema knows what time it is."""


@schemathesis.serializer("application/jsonl")
def json_lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Return a body of JSON lines, which a schema describes as text."""
    return str(value).encode(errors="replace")


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Replace the agents, models and tools that a valid request names by those that the server has."""
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(case.body, dict):
        return
    body: dict[str, Any] = {**case.body}
    body |= {name: value for name, value in _KNOWN.items() if body.get(name) is not None}
    if isinstance(definition := body.get("agent_spec"), dict):
        rules = [_known_rule(rule) for rule in definition.get("policy", ())]
        body["agent_spec"] = {**definition, **_KNOWN_IN_DEFINITIONS, "policy": rules}
    case.body = body


def _known_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule with a test of an argument that the tool has, in place of all its tests."""
    tests = rule.get("if")
    return {**rule, "tool": "calculator", **({"if": {"expression": next(iter(tests.values()))}} if tests else {})}


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Failure, case: schemathesis.Case[Any], response: Response
) -> bool:
    """Drop the failures of valid requests that may be refused; those of all others count."""
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    problem = response.json()
    if problem["type"] in _ERASED:
        return False
    details = [error["detail"] for error in problem.get("errors", ())]
    if problem["type"] == "urn:opspawn:problem:invalid" and details and all(map(_is_beyond_schemas, details)):
        return False
    return (case.operation.definition.raw["operationId"], problem["type"]) not in _REFUSALS


def _is_beyond_schemas(detail: str) -> bool:
    return detail in (_TOO_LONG, _TWO_SCOPES) or _PAST_EXPIRY in detail
