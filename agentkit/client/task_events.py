"""The events of a task, a class for each type."""

from __future__ import annotations

import json
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import JsonValue

from agentkit.client.resources import Answer, TaskError, TaskStatus
from agentkit.messages import InputPart, Message, ToolCall, ToolResult, Usage
from agentkit.records import Record

__all__ = [
    "CallError",
    "ModelCompleted",
    "ModelDelta",
    "ModelFailed",
    "ModelReset",
    "ModelRetrying",
    "ModelStarted",
    "PlanUpdated",
    "TaskCancelled",
    "TaskCompleted",
    "TaskEvent",
    "TaskFailed",
    "TaskStarted",
    "TaskStatusChanged",
    "ToolCompleted",
    "ToolFailed",
    "ToolRetrying",
    "ToolStarted",
    "read_event",
]


class TaskEvent(Answer):
    """Something that happened to a task; this class itself is for types that this client doesn't know."""

    last: ClassVar[bool] = False
    """Whether nothing follows it."""

    type: str
    task_id: str
    at: datetime
    """By Temporal's clock."""
    step: int | None = None
    position: str | None = None
    """Where to go on after it; None: live only, and not told again."""
    unreadable: str | None = None
    """Why fields are missing: the API couldn't read a payload."""


class CallError(Record):
    """Why a model or tool failed."""

    type: str = ""
    message: str = ""
    status: int | None = None
    """The HTTP status of the model's provider, where there was one."""


class TaskStatusChanged(TaskEvent):
    """``task.status``."""

    status: TaskStatus


class TaskStarted(TaskEvent):
    """``task.started``: a worker took it up first."""

    agent: str | None = None
    input: str | tuple[InputPart, ...] | None = None


class TaskCompleted(TaskEvent):
    """``task.completed``."""

    last = True

    output: JsonValue = None
    usage: Usage | None = None
    steps: int | None = None


class TaskFailed(TaskEvent):
    """``task.failed``: also when it was terminated or took too long."""

    last = True

    status: TaskStatus = "failed"
    error: TaskError = TaskError()
    usage: Usage | None = None
    steps: int | None = None


class TaskCancelled(TaskEvent):
    """``task.cancelled``."""

    last = True


class ModelStarted(TaskEvent):
    """``model.started``: a model is to be asked."""

    model: str


class ModelDelta(TaskEvent):
    """``model.delta``, live: a piece of what the model is saying."""

    kind: Literal["text", "thinking", "tool_arguments"] = "text"
    text: str


class ModelReset(TaskEvent):
    """``model.reset``, live: the model begins anew; forget the pieces of this step."""


class ModelRetrying(TaskEvent):
    """``model.retrying``, live: a model is asked again after a failure."""

    model: str
    attempt: int
    max_attempts: int | None = None
    error: CallError = CallError()
    next_attempt_at: datetime | None = None


class ModelCompleted(TaskEvent):
    """``model.completed``: the whole answer."""

    model: str
    message: Message | None = None
    """None where it is unreadable."""
    usage: Usage = Usage()
    stop_reason: str | None = None


class ModelFailed(TaskEvent):
    """``model.failed``, for good; the next model of the agent's chain may be asked."""

    model: str
    error: CallError = CallError()
    attempts: int = 1


class PlanUpdated(TaskEvent):
    """``plan.updated``."""

    plan: tuple[str, ...] = ()


class ToolStarted(TaskEvent):
    """``tool.started``: a tool is to be called."""

    call: ToolCall


class ToolRetrying(TaskEvent):
    """``tool.retrying``, live: a tool is called again after a failure."""

    call: ToolCall
    attempt: int
    max_attempts: int | None = None
    error: CallError = CallError()
    next_attempt_at: datetime | None = None


class ToolCompleted(TaskEvent):
    """``tool.completed``: the result as the model sees it."""

    result: ToolResult


class ToolFailed(TaskEvent):
    """``tool.failed``, for good; or a call that was refused: then it has ``call``, and no ``tool.started`` came."""

    result: ToolResult
    error: CallError = CallError()
    attempts: int = 1
    call: ToolCall | None = None


_CLASSES: dict[str, type[TaskEvent]] = {
    "task.status": TaskStatusChanged,
    "task.started": TaskStarted,
    "task.completed": TaskCompleted,
    "task.failed": TaskFailed,
    "task.cancelled": TaskCancelled,
    "model.started": ModelStarted,
    "model.delta": ModelDelta,
    "model.reset": ModelReset,
    "model.retrying": ModelRetrying,
    "model.completed": ModelCompleted,
    "model.failed": ModelFailed,
    "plan.updated": PlanUpdated,
    "tool.started": ToolStarted,
    "tool.retrying": ToolRetrying,
    "tool.completed": ToolCompleted,
    "tool.failed": ToolFailed,
}


def read_event(data: str, position: str | None) -> TaskEvent:
    """Return an event as its class.

    Raises:
        ValueError: it isn't what the API sends.
    """
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("expected a JSON object")
    kind = _CLASSES.get(str(document.get("type")), TaskEvent)
    return kind.model_validate({**document, "position": position, "document": document})
