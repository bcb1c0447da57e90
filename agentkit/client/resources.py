"""What the API answers, as far as programs read it; fields that they don't know are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, JsonValue

from agentkit.messages import InputPart, Message, Usage
from agentkit.records import Record

__all__ = ["Agent", "AgentList", "Answer", "Document", "Task", "TaskError", "TaskList", "TaskStatus", "TranscriptPage"]

Document = dict[str, JsonValue]
"""A JSON object."""

TaskStatus = Literal[
    "queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "terminated", "timed_out"
]


class Answer(Record):
    """A JSON object of the API."""

    document: Document = Field(default_factory=dict, exclude=True, repr=False)
    """The object as it came."""

    @classmethod
    def read(cls, document: Document) -> Self:
        """Parse an answer, and keep it.

        Raises:
            ValueError: it isn't what the API answers.
        """
        if not isinstance(document, dict):
            raise ValueError("expected a JSON object")
        return cls.model_validate({**document, "document": document})


class TaskError(Record):
    """Why a task failed."""

    type: str = ""
    message: str = ""
    step: int | None = None


class Task(Answer):
    """One input in, one output out, and how far it has come."""

    id: str
    agent: str = ""
    status: TaskStatus
    title: str = ""
    """The first words of the input."""
    input: str | tuple[InputPart, ...] | None = None
    """None in lists."""
    output: JsonValue = None
    """Text, or what fits the output schema. None in lists, and until the task has completed."""
    error: TaskError | None = None
    usage: Usage = Usage()
    steps: int = 0
    doing: str = ""
    """What it does now, for people."""
    conversation_id: str | None = None
    parent_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    user: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    """When it ended, however it ended."""
    links: dict[str, str | None] = Field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether its status is final."""
        return self.status not in ("queued", "running", "waiting", "paused")


class TaskList(Answer):
    """A page of tasks, newest first."""

    tasks: tuple[Task, ...]
    next_cursor: str | None = None
    total: int | None = None


class TranscriptPage(Answer):
    """A part of a task's transcript."""

    messages: tuple[Message, ...]


class Agent(Record):
    """An agent that can be given tasks."""

    name: str
    description: str = ""
    models: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    problem: str | None = None
    """Why it can't be given tasks; None when it can."""


class AgentList(Answer):
    """All agents."""

    agents: tuple[Agent, ...]
    problems: tuple[str, ...] = ()
    """What is wrong with the app directory's files."""
