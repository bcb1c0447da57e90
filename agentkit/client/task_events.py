"""The events of a task: a class for each type, and their parser."""

from __future__ import annotations

import json
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from agentkit.client.resources import ApiObject, JsonObject, TaskError, TaskStatus
from agentkit.input_requests import InputRequest, Remember
from agentkit.messages import InputPart, Message, ToolCall, ToolResult, Usage
from agentkit.records import Record

__all__ = [
    "CallError",
    "CallInterrupted",
    "ContextCompacted",
    "InputAnswered",
    "InputRejected",
    "InputRequested",
    "LimitsRaised",
    "MemoryRecalled",
    "MessageReceived",
    "ModelCompleted",
    "ModelDeltaReceived",
    "ModelFailed",
    "ModelReset",
    "ModelRetrying",
    "ModelStarted",
    "PlanUpdated",
    "RecalledMemory",
    "TaskCancelled",
    "TaskCompleted",
    "TaskEvent",
    "TaskFailed",
    "TaskStarted",
    "TaskStatusChanged",
    "ToolCompleted",
    "ToolFailed",
    "ToolProgressed",
    "ToolRetrying",
    "ToolStarted",
    "parse_event",
]


class TaskEvent(ApiObject):
    """An event of a task. Types that this client has no class for are instances of this one."""

    last: ClassVar[bool] = False
    """Whether it ends the stream."""

    type: str
    task_id: str
    at: datetime
    """Time by Temporal's clock."""
    step: int | None = None
    position: str | None = None
    """Resume after it with this; None for a live event, which is not stored."""
    unreadable: str | None = None
    """Why fields are missing: the API could not read a payload. None when all are there."""


class CallError(Record):
    """Why a model request or a tool call failed."""

    type: str = ""
    message: str = ""
    status: int | None = None
    """The HTTP status of the model's provider; None where there was none."""


class TaskStatusChanged(TaskEvent):
    """``task.status``: the task has a new status."""

    status: TaskStatus


class TaskStarted(TaskEvent):
    """``task.started``: a worker has started it."""

    agent: str | None = None
    input: str | tuple[InputPart, ...] | None = None


class TaskCompleted(TaskEvent):
    """``task.completed``, with the task's output."""

    last = True

    output: JsonValue = None
    usage: Usage | None = None
    steps: int | None = None


class TaskFailed(TaskEvent):
    """``task.failed``; also for a task that was terminated or timed out, see ``status``."""

    last = True

    status: TaskStatus = "failed"
    error: TaskError = TaskError()
    usage: Usage | None = None
    steps: int | None = None


class TaskCancelled(TaskEvent):
    """``task.cancelled``: the task has ended because it was cancelled."""

    last = True

    usage: Usage | None = None
    steps: int | None = None


class ModelStarted(TaskEvent):
    """``model.started``: a model request is scheduled."""

    model: str


class ModelDeltaReceived(TaskEvent):
    """``model.delta``, live: the next text of a response that streams in."""

    kind: Literal["text", "thinking", "tool_arguments"] = "text"
    text: str


class ModelReset(TaskEvent):
    """``model.reset``, live: the response starts again; discard the deltas of this step."""


class ModelRetrying(TaskEvent):
    """``model.retrying``, live: a failed model request is retried."""

    model: str
    attempt: int
    max_attempts: int | None = None
    error: CallError = CallError()
    next_attempt_at: datetime | None = None


class ModelCompleted(TaskEvent):
    """``model.completed``, with the complete response."""

    model: str
    message: Message | None = None
    """None when the API could not read its payload."""
    usage: Usage = Usage()
    stop_reason: str | None = None


class ModelFailed(TaskEvent):
    """``model.failed``, after the last attempt; the next model of the agent's fallback chain may follow."""

    model: str
    error: CallError = CallError()
    attempts: int = 1


class PlanUpdated(TaskEvent):
    """``plan.updated``, with the complete new plan."""

    plan: tuple[str, ...] = ()


class ToolStarted(TaskEvent):
    """``tool.started``: a tool call is scheduled."""

    call: ToolCall


class ToolRetrying(TaskEvent):
    """``tool.retrying``, live: a failed tool call is retried."""

    call: ToolCall
    attempt: int
    max_attempts: int | None = None
    error: CallError = CallError()
    next_attempt_at: datetime | None = None


class ToolProgressed(TaskEvent):
    """``tool.progress``, live: a running tool reports how far it is."""

    call: ToolCall
    text: str
    fraction: float | None = None


class ToolCompleted(TaskEvent):
    """``tool.completed``, with the result that the model receives."""

    result: ToolResult


class ToolFailed(TaskEvent):
    """``tool.failed``: the last attempt failed, or the call was refused and never started."""

    result: ToolResult
    error: CallError = CallError()
    attempts: int = 1
    call: ToolCall | None = None
    """The call if it was refused; None otherwise, because the ``tool.started`` event before has it."""


class CallInterrupted(TaskEvent):
    """``tool.interrupted``: an irreversible call was cut off, and its outcome is not known yet."""

    call: ToolCall
    error: CallError = CallError()


class InputRequested(TaskEvent):
    """``input.requested``: the task waits for a person."""

    input_request: InputRequest


class InputAnswered(TaskEvent):
    """``input.answered``: an input request has its answer, or one of several approvals."""

    input_request_id: str
    decision: str
    is_settled: bool = True
    """False where more people must approve."""
    answered_by: str | None = None
    comment: str | None = None
    remember: Remember | None = None
    """Whether it holds for later calls, too."""
    arguments_changed: bool = False
    """Whether the person approved other arguments; the policy decides on them anew."""


class InputRejected(TaskEvent):
    """``input.rejected``: an answer that came by signal was not accepted, and changed nothing."""

    message: str
    input_request_id: str | None = None


class MessageReceived(TaskEvent):
    """``message.received``: a person's message to the running task; the model reads it in the next request."""

    text: str = ""
    mode: Literal["enqueue", "interrupt"] = "enqueue"
    sent_by: str | None = None


class LimitsRaised(TaskEvent):
    """``limits.raised``: the task has new limits."""

    limits: JsonObject = Field(default_factory=dict)
    raised_by: str | None = None


class RecalledMemory(Record):
    """A memory that entered the transcript."""

    id: str
    text: str
    created_at: datetime | None = None


class MemoryRecalled(TaskEvent):
    """``memory.recalled``: long-term memories entered the transcript at the start of the task."""

    memories: tuple[RecalledMemory, ...] = ()


class ContextCompacted(TaskEvent):
    """``context.compacted``: old messages were shortened or summarised; the transcript has a new version."""

    version: int = 0
    """Of the transcript; the first is 1."""
    tokens_before: int = 0
    tokens_after: int = 0
    messages_before: int = 0
    messages_after: int = 0
    reason: str = ""
    """``share`` of the model's context window was reached, or the model refused it as ``too_long``."""


_CLASSES: dict[str, type[TaskEvent]] = {
    "task.status": TaskStatusChanged,
    "task.started": TaskStarted,
    "task.completed": TaskCompleted,
    "task.failed": TaskFailed,
    "task.cancelled": TaskCancelled,
    "model.started": ModelStarted,
    "model.delta": ModelDeltaReceived,
    "model.reset": ModelReset,
    "model.retrying": ModelRetrying,
    "model.completed": ModelCompleted,
    "model.failed": ModelFailed,
    "plan.updated": PlanUpdated,
    "tool.started": ToolStarted,
    "tool.retrying": ToolRetrying,
    "tool.progress": ToolProgressed,
    "tool.completed": ToolCompleted,
    "tool.failed": ToolFailed,
    "tool.interrupted": CallInterrupted,
    "input.requested": InputRequested,
    "input.answered": InputAnswered,
    "input.rejected": InputRejected,
    "message.received": MessageReceived,
    "limits.raised": LimitsRaised,
    "memory.recalled": MemoryRecalled,
    "context.compacted": ContextCompacted,
}


def parse_event(data: str, position: str | None) -> TaskEvent:
    """Return the event in a stream's ``data`` as its class.

    Raises:
        ValueError: ``data`` is no JSON object, or lacks required fields.
    """
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    kind = _CLASSES.get(str(value.get("type")), TaskEvent)
    return kind.model_validate({**value, "position": position, "raw": value})
