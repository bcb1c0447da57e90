"""What is answered: tasks, transcripts, agents and tools, with an example each."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import TypedDict

from agentkit.messages import InputPart, Message, Usage
from agentkit.specs import Limits, ToolSpec
from workflows.task_types import TaskStatus

__all__ = [
    "Agent",
    "AgentList",
    "Task",
    "TaskError",
    "TaskLinks",
    "TaskList",
    "TaskUsage",
    "ToolList",
    "Transcript",
]


_TASK: JsonValue = {
    "id": "task-01a1ffab7d617517824951118c3e99ab",
    "agent": "assistant",
    "status": "completed",
    "title": "What is 6 times 7?",
    "input": "What is 6 times 7?",
    "output": "42",
    "error": None,
    "usage": {
        "tokens": 164,
        "cost_usd": None,
        "input_tokens": 140,
        "output_tokens": 24,
        "cached_tokens": 0,
        "model_calls": 2,
        "tool_calls": 1,
    },
    "steps": 2,
    "doing": "",
    "input_requests": [],
    "conversation_id": None,
    "parent_id": None,
    "tags": ["trial"],
    "metadata": {"ticket": "4711"},
    "user": None,
    "created_at": "2026-11-21T19:53:11.265334Z",
    "started_at": "2026-11-21T19:53:11.271118Z",
    "completed_at": "2026-11-21T19:53:12.004512Z",
    "links": {
        "self": "/api/v1/tasks/task-01a1ffab7d617517824951118c3e99ab",
        "events": "/api/v1/tasks/task-01a1ffab7d617517824951118c3e99ab/events",
        "temporal_ui": "http://localhost:8233/namespaces/default/workflows/task-01a1ffab7d617517824951118c3e99ab",
    },
}

_TRANSCRIPT: JsonValue = {
    "start": 0,
    "messages": [{"role": "user", "parts": [{"type": "text", "text": "What is 6 times 7?"}], "model": None}],
    "total": 4,
    "next_start": 1,
}

_AGENT: JsonValue = {
    "name": "assistant",
    "description": "Answers questions and does sums.",
    "models": ["demo:demo"],
    "planner": "tools",
    "instructions": "You are a helpful assistant.",
    "tools": ["calculator", "current_time"],
    "limits": {"max_steps": 30},
    "problem": None,
}

_TOOL: JsonValue = {
    "name": "calculator",
    "description": "Work out an arithmetic expression.",
    "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
    "effect": "pure",
    "timeout": 10,
    "fast": True,
}


def _shown_as(example: JsonValue) -> ConfigDict:
    return ConfigDict(frozen=True, json_schema_extra={"example": example})


class _Answered(BaseModel):
    """Of an answer."""

    model_config = ConfigDict(frozen=True)


class TaskUsage(_Answered):
    """What a task has spent. In lists, and while no worker answers, an unfinished task shows nothing yet."""

    tokens: int = 0
    """Input and output together."""
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    """US dollars; null where a price isn't known."""
    model_calls: int = 0
    tool_calls: int = 0

    @classmethod
    def of(cls, usage: Usage) -> Self:
        """Return a task's usage."""
        return cls(tokens=usage.tokens, **usage.model_dump())


class TaskError(_Answered):
    """Why a task didn't complete."""

    type: str
    message: str
    step: int | None = None


class TaskLinks(TypedDict):
    """Where there is more."""

    self: str
    events: str
    temporal_ui: str


class Task(_Answered):
    """One input in, one output out, and how far it has come."""

    model_config = _shown_as(_TASK)

    id: str
    agent: str
    status: TaskStatus
    title: str = ""
    """The first words of the input."""
    input: str | tuple[InputPart, ...] | None = None
    """Null in lists."""
    output: JsonValue = None
    """Null in lists, and until the task has completed."""
    error: TaskError | None = None
    """Null in lists."""
    usage: TaskUsage = TaskUsage()
    steps: int = 0
    """While no worker answers, and in lists, as last recorded."""
    doing: str = ""
    """What a running task does now, for people."""
    input_requests: tuple[JsonValue, ...] = ()
    """Not in this release: always empty."""
    conversation_id: str | None = None
    parent_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    user: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    """When a worker first took it up. Null in lists."""
    completed_at: datetime | None = None
    """When it ended, however it ended."""
    links: TaskLinks


class TaskList(_Answered):
    """A page of tasks, newest first. What Temporal lists may lag behind by a moment."""

    model_config = _shown_as({"tasks": [_TASK], "next_cursor": None, "total": 1})

    tasks: tuple[Task, ...]
    next_cursor: str | None = None
    """Pass it as ``cursor`` for the next page; null on the last."""
    total: int
    """How many tasks fit the filters."""


class Transcript(_Answered):
    """A part of a task's transcript."""

    model_config = _shown_as(_TRANSCRIPT)

    start: int
    messages: tuple[Message, ...]
    total: int
    """How many messages there are in all."""
    next_start: int | None
    """Where the next part begins; null when this reaches the end."""


class Agent(_Answered):
    """An agent that tasks can be given to."""

    model_config = _shown_as(_AGENT)

    name: str
    description: str = ""
    models: tuple[str, ...] = ()
    planner: str | None = None
    instructions: str = ""
    tools: tuple[str, ...] = ()
    limits: Limits = Limits()
    problem: str | None = None
    """Why tasks for it would be refused; null when it is ready."""


class AgentList(_Answered):
    """All agents; also those that can't be used, with their problem."""

    model_config = _shown_as({"agents": [_AGENT], "problems": []})

    agents: tuple[Agent, ...]
    problems: tuple[str, ...] = ()
    """What is wrong with the app directory's files."""


class ToolList(_Answered):
    """All tools that agents can be given."""

    model_config = _shown_as({"tools": [_TOOL]})

    tools: tuple[ToolSpec, ...]
