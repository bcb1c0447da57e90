"""The bodies of the client's requests: only the fields that are given are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from agentkit.client.resources import JsonObject
from agentkit.mcp_config.mcp_input import PromptReference, ResourceReference
from agentkit.messages import InputPart

__all__ = [
    "MCP_TIMEOUT_S",
    "TaskInputContent",
    "answer_body",
    "conversation_body",
    "fork_body",
    "has_references",
    "message_body",
    "task_body",
    "turn_body",
]

MCP_TIMEOUT_S = 120.0
"""How long MCP servers may take to respond, with their start, besides the API's own time."""

TaskInputContent = str | Sequence[InputPart | ResourceReference] | PromptReference
"""Text, content parts and resources of MCP servers, or a prompt of an MCP server."""


def has_references(task_input: TaskInputContent | None) -> bool:
    """Return whether MCP servers have some of a task's input."""
    if task_input is None or isinstance(task_input, str | PromptReference):
        return isinstance(task_input, PromptReference)
    return any(isinstance(part, ResourceReference) for part in task_input)


def task_body(
    *,
    agent: str | None,
    task_input: TaskInputContent,
    agent_spec: Mapping[str, JsonValue] | None,
    model: str | None,
    output_schema: Mapping[str, JsonValue] | None,
    limits: Mapping[str, JsonValue] | None,
    tags: Sequence[str],
    metadata: Mapping[str, str] | None,
    user: str | None,
    start_at: datetime | None,
) -> JsonObject:
    """Return the body that starts a task."""
    return _given(
        agent=agent,
        input=_input_json(task_input),
        agent_spec=None if agent_spec is None else dict(agent_spec),
        model=model,
        output_schema=None if output_schema is None else dict(output_schema),
        limits=dict(limits) if limits else None,
        tags=[*tags] or None,
        metadata=dict[str, JsonValue](metadata) if metadata else None,
        user=user,
        start_at=None if start_at is None else start_at.isoformat(),
    )


def answer_body(
    *,
    decision: str,
    arguments: Mapping[str, JsonValue] | None,
    answer: JsonValue,
    result: JsonValue,
    limits: Mapping[str, JsonValue] | None,
    comment: str | None,
    remember: str | None,
    answered_by: str | None,
    groups: Sequence[str],
    sha256: str | None,
) -> JsonObject:
    """Return the body that answers an input request."""
    return _given(
        decision=decision,
        arguments=None if arguments is None else dict(arguments),
        answer=answer,
        result=result,
        limits=None if limits is None else dict(limits),
        comment=comment,
        remember=remember,
        answered_by=answered_by,
        groups=[*groups] or None,
        sha256=sha256,
    )


def message_body(text: str, *, interrupt: bool, pinned: bool, sent_by: str | None) -> JsonObject:
    """Return the body that sends a message to a running task."""
    mode = "interrupt" if interrupt else "enqueue"
    return _given(text=text, mode=mode, pinned=pinned or None, sent_by=sent_by)


def fork_body(
    *,
    from_step: int,
    task_input: TaskInputContent | None,
    agent: str | None,
    model: str | None,
    limits: Mapping[str, JsonValue] | None,
) -> JsonObject:
    """Return the body that forks a task."""
    return _given(
        from_step=from_step,
        input=None if task_input is None else _input_json(task_input),
        agent=agent,
        model=model,
        limits=dict(limits) if limits else None,
    )


def conversation_body(
    *,
    agent: str,
    message: TaskInputContent | None,
    model: str | None,
    title: str | None,
    user: str | None,
    tags: Sequence[str],
    metadata: Mapping[str, str] | None,
    on_busy: str | None,
    idle_expiry: str | float | None,
) -> JsonObject:
    """Return the body that starts a conversation."""
    return _given(
        agent=agent,
        message=None if message is None else _input_json(message),
        model=model,
        title=title,
        user=user,
        tags=[*tags] or None,
        metadata=dict[str, JsonValue](metadata) if metadata else None,
        on_busy=on_busy,
        idle_expiry=idle_expiry,
    )


def turn_body(
    *,
    task_input: TaskInputContent,
    agent: str | None,
    model: str | None,
    on_busy: str | None,
    limits: Mapping[str, JsonValue] | None,
    output_schema: Mapping[str, JsonValue] | None,
    metadata: Mapping[str, str] | None,
) -> JsonObject:
    """Return the body that sends a message to a conversation."""
    return _given(
        input=_input_json(task_input),
        agent=agent,
        model=model,
        on_busy=on_busy,
        limits=dict(limits) if limits else None,
        output_schema=None if output_schema is None else dict(output_schema),
        metadata=dict[str, JsonValue](metadata) if metadata else None,
    )


def _given(**fields: JsonValue) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}


def _input_json(task_input: TaskInputContent) -> JsonValue:
    if isinstance(task_input, str):
        return task_input
    if isinstance(task_input, PromptReference):
        return task_input.model_dump(mode="json", exclude_defaults=True)
    return [part.model_dump(mode="json", exclude_none=True) for part in task_input]
