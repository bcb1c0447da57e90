"""What a task is told, what it says of itself, and what it leaves: the shapes that clients may rely on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from agentkit.messages import Message, Usage
    from agentkit.records import Record
    from agentkit.specs import AgentSpec

__all__ = [
    "WORKFLOW_TYPE",
    "CarriedState",
    "RunningStatus",
    "TaskFailure",
    "TaskInput",
    "TaskResult",
    "TaskStatus",
    "TaskView",
]

WORKFLOW_TYPE = "AgentTask"

TaskStatus = Literal[
    "queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "terminated", "timed_out"
]
RunningStatus = Literal["queued", "running", "waiting", "paused"]
"""The statuses of a task that has not ended."""


class CarriedState(Record):
    """What a task carries across continue-as-new."""

    messages: tuple[Message, ...]
    usage: Usage
    steps: int
    started_at: datetime
    plan: tuple[str, ...] = ()
    """The newest plan."""
    fallen: int = 0
    """How many models of the agent's chain have failed for good."""


class TaskInput(Record):
    """The workflow's only argument. The agent and the first message stand in history here, and nowhere else."""

    agent: AgentSpec
    message: Message
    """What the person said."""
    carried: CarriedState | None = None
    """Only when the task continues as new."""


class TaskResult(Record):
    """The workflow's result."""

    output: JsonValue
    usage: Usage
    steps: int


class TaskFailure(Record):
    """The first detail of the ``ApplicationError`` that a failed task ends with; the error's type says what kind."""

    message: str
    step: int
    usage: Usage


class TaskView(Record):
    """The answer to the ``status`` query."""

    status: TaskStatus
    steps: int
    usage: Usage
    doing: str = ""
    """What it is doing now, for people."""
    plan: tuple[str, ...] = ()
    """What it means to do, where its planner plans."""
    error: str | None = None
