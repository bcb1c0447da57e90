"""What the API answers, as far as the commands read it; fields they don't know are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, JsonValue

from agentkit.messages import Message
from agentkit.records import Record

__all__ = ["Agent", "AgentList", "Answer", "Document", "Task", "TaskError", "TaskList", "TaskUsage", "TranscriptPage"]

Document = dict[str, JsonValue]
"""A JSON object."""


class Answer(Record):
    """A JSON object of the API."""

    document: Document = Field(default_factory=dict, exclude=True, repr=False)
    """The object as it came: what ``--json`` prints."""

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


class TaskUsage(Record):
    """What a task has spent."""

    tokens: int = 0
    """Input and output together."""
    cost_usd: float | None = None
    """None where the price isn't known."""


class Task(Answer):
    """One input in, one output out, and how far it has come."""

    id: str
    agent: str = ""
    status: Literal[
        "queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "terminated", "timed_out"
    ]
    title: str = ""
    """The first words of the input."""
    output: JsonValue = None
    error: TaskError | None = None
    usage: TaskUsage = TaskUsage()
    steps: int = 0
    doing: str = ""
    """What it does now, for people."""
    created_at: datetime | None = None
    completed_at: datetime | None = None
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
