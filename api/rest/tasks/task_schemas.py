"""Tasks in REST's JSON: the schemas of requests and responses, with examples, and their mapping to ``api.tasks``.

Requests are the core's own types, so that each rule is written once and a large input is validated once. Responses are
built from the core's snapshots, field by field of the same name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from agentkit.interfaces import DEFAULT_TENANT
from agentkit.messages import InputPart, Message
from agentkit.runtime.calls.effect_ledger import CallState
from agentkit.specs import Effect
from api.tasks.requests.task_requests import ONE_AGENT, NewTask, TaskListRequest
from workflows.task_types import TaskStatus

__all__ = [
    "CreateTaskRequest",
    "ErasedTaskResponse",
    "ForkOriginResponse",
    "StalledResponse",
    "TaskErrorResponse",
    "TaskLinksResponse",
    "TaskListParams",
    "TaskListResponse",
    "TaskResponse",
    "TaskUsageResponse",
    "ToolCallResponse",
    "ToolCallsResponse",
    "TranscriptResponse",
]

_NEW_TASK: JsonValue = {
    "agent": "assistant",
    "input": "What is 6 times 7?",
    "limits": {"max_steps": 10, "deadline": "10m"},
    "tags": ["trial"],
    "metadata": {"ticket": "4711"},
}

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
        "unpriced_calls": 2,
        "input_tokens": 140,
        "output_tokens": 24,
        "cached_tokens": 0,
        "model_calls": 2,
        "tool_calls": 1,
    },
    "steps": 2,
    "doing": "",
    "waiting_for_worker": False,
    "stalled": None,
    "input_requests": [],
    "conversation_id": None,
    "parent_id": None,
    "forked_from": None,
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
    "version": 1,
    "versions": 1,
}


_TOOL_CALLS: JsonValue = {
    "tool_calls": [
        {
            "call_id": "call_1",
            "tool": "transfer_money",
            "effect": "irreversible",
            "state": "done",
            "step": 1,
            "idempotency_key": "task-01a1ffab7d617517824951118c3e99ab/call_1",
            "attempts": 1,
            "arguments_sha256": "d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772",
            "decided_by": "probe",
            "proposed_at": "2026-11-21T19:53:11.271118Z",
            "started_at": "2026-11-21T19:53:11.271118Z",
            "ended_at": "2026-11-21T19:53:12.004512Z",
        }
    ]
}


class CreateTaskRequest(NewTask):
    """One input for one agent."""

    model_config = ConfigDict(json_schema_extra={"example": _NEW_TASK, "oneOf": ONE_AGENT})


class TaskListParams(TaskListRequest):
    """Which tasks to list, and which page."""

    @field_validator("created_after", "created_before", mode="before")
    @classmethod
    def _restore_plus(cls, value: object) -> object:
        """Accept ``+00:00`` also where a client didn't encode the ``+``, which means a space in a URL."""
        return value.replace(" ", "+") if isinstance(value, str) else value


class _Response(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)

    @classmethod
    def of(cls, source: object) -> Self:
        """Return a type of ``api.tasks`` as a response; its fields have the same names."""
        return cls.model_validate(source)


def _with_example(example: JsonValue) -> ConfigDict:
    extra: dict[str, Any] = {"example": example}
    return ConfigDict(json_schema_extra=extra)


class TaskUsageResponse(_Response):
    """What a task has spent. In lists, and while no worker responds, what an unfinished task recorded last."""

    tokens: int = 0
    """Input and output together."""
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    """US dollars, without the calls that `unpriced_calls` counts; null where no price is known."""
    unpriced_calls: int = 0
    """Model calls whose price isn't known."""
    model_calls: int = 0
    tool_calls: int = 0


class TaskErrorResponse(_Response):
    """Why a task didn't complete."""

    type: str
    message: str
    step: int | None = None


class ForkOriginResponse(_Response):
    """The task that a fork goes on from."""

    task_id: str
    step: int
    """The last step that they have in common; 0: its input."""


class StalledResponse(_Response):
    """Why a task can't go on though workers may run."""

    kind: Literal["code", "version"] = "code"
    """``code``: its workflow code fails; it goes on by itself when workers run code that doesn't. ``version``: no
    worker of the version that it needs runs, or that version isn't current; ``message`` has the cure."""
    message: str
    """For ``code`` the exception of the workflow's code; in lists only Temporal's name of the cause."""
    since: datetime | None = None
    """When it failed first. Null in lists."""


class TaskLinksResponse(_Response):
    """Related resources."""

    self: str
    events: str
    temporal_ui: str


class TaskResponse(_Response):
    """One input in, one output out, and how far it is."""

    model_config = _with_example(_TASK)

    id: str
    agent: str
    status: TaskStatus
    title: str = ""
    """The first words of the input."""
    input: str | tuple[InputPart, ...] | None = None
    """Null in lists."""
    output: JsonValue = None
    """Null in lists, and until the task has completed."""
    error: TaskErrorResponse | None = None
    """Null in lists."""
    usage: TaskUsageResponse = TaskUsageResponse()
    steps: int = 0
    """While no worker responds, and in lists, as last recorded."""
    doing: str = ""
    """What a running task does now, for people."""
    waiting_for_worker: bool = False
    """Whether it can't go on because no worker polls its task queue. Not checked when it is created."""
    stalled: StalledResponse | None = None
    """Set while the workflow's code fails: a defect, or workers of a release that doesn't fit the task."""
    input_requests: tuple[JsonValue, ...] = ()
    """What waits for a person's answer, oldest first. Arguments that are long are left out."""
    conversation_id: str | None = None
    parent_id: str | None = None
    forked_from: ForkOriginResponse | None = None
    """Of a fork: the task that it goes on from."""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    user: str | None = None
    tenant: str = Field(default=DEFAULT_TENANT, exclude_if=lambda tenant: tenant == DEFAULT_TENANT)
    """Left out where it is `default`."""
    created_at: datetime
    started_at: datetime | None = None
    """When a worker first took it. Null in lists."""
    completed_at: datetime | None = None
    """When it ended, however it ended."""
    links: TaskLinksResponse


class TaskListResponse(_Response):
    """A page of tasks, newest first. What Temporal lists may lag behind by a moment."""

    model_config = _with_example({"tasks": [_TASK], "next_cursor": None, "total": 1})

    tasks: tuple[TaskResponse, ...]
    next_cursor: str | None = None
    """Pass it as ``cursor`` for the next page; null on the last."""
    total: int
    """How many tasks fit the filters."""


class ToolCallResponse(_Response):
    """What became of a tool call."""

    call_id: str
    tool: str
    effect: Effect | None
    """Null where the agent has no such tool."""
    state: CallState
    """`failed`: the tool reported an error. `not_done`: proved to have done nothing. `unknown`: it was cut off."""
    step: int
    idempotency_key: str
    attempts: int
    """More than 1 only where a person had the call repeated. Retries of pure and idempotent calls are not counted."""
    arguments_sha256: str
    """Of the arguments as JSON with sorted keys, without spaces."""
    decided_by: str | None
    """What allowed or refused the call, or settled its outcome: a policy rule, `probe` or `person: NAME`."""
    proposed_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class ToolCallsResponse(_Response):
    """The effect ledger of a task, oldest call first."""

    model_config = _with_example(_TOOL_CALLS)

    tool_calls: tuple[ToolCallResponse, ...]


class ErasedTaskResponse(_Response):
    """How far the erasure of a task is."""

    model_config = _with_example(
        {
            "id": "task-01a1ffab7d617517824951118c3e99ab",
            "status": "erasing",
            "memories": 2,
            "waiting_for_worker": False,
            "problem": None,
        }
    )

    id: str
    status: Literal["erasing", "erased"]
    """`erased`: nothing is left of it but its id."""
    memories: int | None
    """How many memories were erased; null where `memories` was not requested."""
    waiting_for_worker: bool
    """Whether no worker runs that could go on with it."""
    problem: str | None
    """Why it doesn't get on, such as how it failed last; it is tried again and again. Null where nothing has failed."""


class TranscriptResponse(_Response):
    """Successive messages of a task's transcript."""

    model_config = _with_example(_TRANSCRIPT)

    start: int
    messages: tuple[Message, ...]
    total: int
    """How many messages the transcript has."""
    next_start: int | None
    """Where the next page starts; null when this one reaches the end."""
    version: int
    """The version that the messages are of."""
    versions: int
    """How many versions there are, from 1: each time a long transcript is shortened, a new one begins."""
