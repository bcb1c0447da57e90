"""Tasks as the services return them, in no protocol's format."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self
from urllib.parse import quote

from pydantic import JsonValue
from typing_extensions import TypedDict

from agentkit.interfaces import DEFAULT_TENANT
from agentkit.messages import FilePart, ImagePart, InputPart, Message, TextPart, Usage
from agentkit.records import Record
from workflows.task_types import TaskStatus

__all__ = [
    "CreatedTask",
    "FailureReason",
    "ForkOrigin",
    "StalledReason",
    "TaskLinks",
    "TaskPage",
    "TaskSnapshot",
    "TaskUrls",
    "TaskUsage",
    "TranscriptSlice",
    "input_content",
]


class TaskUsage(Record):
    """What a task has spent. In lists, and while no worker responds, what an unfinished task recorded last."""

    tokens: int = 0
    """Input and output together."""
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    """Without the calls that ``unpriced_calls`` counts; None where no price is known."""
    unpriced_calls: int = 0
    """Model calls whose price isn't known."""
    model_calls: int = 0
    tool_calls: int = 0

    @classmethod
    def of(cls, usage: Usage) -> Self:
        """Return what the workflow counted, with the sum of tokens."""
        return cls(tokens=usage.tokens, **usage.model_dump())


class FailureReason(Record):
    """Why a task ended without an output."""

    type: str
    message: str
    step: int | None = None


class ForkOrigin(Record):
    """The task that a fork goes on from."""

    task_id: str
    step: int
    """The last step that they have in common; 0: its input."""


class StalledReason(Record):
    """Why a task can't go on though workers may run."""

    kind: Literal["code", "version"] = "code"
    """``code``: its workflow code fails; it goes on by itself when workers run code that doesn't. ``version``: no
    worker of the version that it needs runs, or that version isn't current; ``message`` has the cure."""
    message: str
    """For ``code`` the exception of the workflow's code; in lists only Temporal's name of the cause."""
    since: datetime | None = None
    """When it failed first. None in lists."""


class TaskLinks(TypedDict):
    """URLs, or paths of this API."""

    self: str
    events: str
    temporal_ui: str


@dataclass(frozen=True, slots=True)
class TaskUrls:
    """The prefixes of tasks' links."""

    api: str
    """Path before the task's id."""
    temporal_ui: str
    """URL before the workflow's id."""

    @classmethod
    def of(cls, temporal_ui_url: str, namespace: str) -> Self:
        """Return the prefixes for this API, and for the Temporal Web UI at a base URL."""
        return cls("/api/v1/tasks/", f"{temporal_ui_url.rstrip('/')}/namespaces/{namespace}/workflows/")

    def links(self, task_id: str) -> TaskLinks:
        """Return a task's links."""
        name = quote(task_id, safe="")
        return {"self": self.api + name, "events": f"{self.api}{name}/events", "temporal_ui": self.temporal_ui + name}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot:
    """A task at one moment: one input, one output, and how far it is."""

    id: str
    agent: str
    status: TaskStatus
    title: str = ""
    """The first words of the input."""
    input: str | tuple[InputPart, ...] | None = None
    """None in lists."""
    output: JsonValue = None
    """None in lists, and until the task has completed."""
    error: FailureReason | None = None
    """None in lists."""
    usage: TaskUsage = field(default_factory=TaskUsage)
    steps: int = 0
    """In lists, and while no worker responds, as last recorded."""
    doing: str = ""
    """What a running task does now, for people."""
    waiting_for_worker: bool = False
    """Whether it can't go on because no worker polls its task queue. Not checked when it is created."""
    stalled: StalledReason | None = None
    """Set while the workflow's code fails: a defect, or workers of a release that doesn't fit the task."""
    input_requests: tuple[dict[str, JsonValue], ...] = ()
    """The pending ones, as JSON of ``InputRequest``."""
    conversation_id: str | None = None
    parent_id: str | None = None
    forked_from: ForkOrigin | None = None
    """Of a fork: the task that it goes on from."""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    tenant: str = DEFAULT_TENANT
    created_at: datetime
    started_at: datetime | None = None
    """When a worker first took the task. None in lists."""
    completed_at: datetime | None = None
    """When it ended, in whatever status."""
    links: TaskLinks


@dataclass(frozen=True, slots=True)
class CreatedTask:
    """The response to a request for a new task."""

    task: TaskSnapshot
    is_new: bool
    """False where an earlier request with the same idempotency key started it."""


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of a list, newest task first."""

    tasks: tuple[TaskSnapshot, ...]
    next_cursor: str | None
    """None on the last page."""
    total: int
    """The number of tasks that fit the filters."""


@dataclass(frozen=True, slots=True)
class TranscriptSlice:
    """Successive messages of a task's transcript."""

    start: int
    messages: tuple[Message, ...]
    total: int
    """The number of messages in the transcript."""
    next_start: int | None
    """Where the next slice begins; None at the end."""
    version: int = 1
    """The version that the messages are of."""
    versions: int = 1
    """How many versions there are: compaction makes a new one."""


def input_content(message: Message) -> str | tuple[InputPart, ...]:
    """Return a task's first message as the request had it: text, or parts."""
    if len(message.parts) == 1 and isinstance(message.parts[0], TextPart):
        return message.text
    return tuple(part for part in message.parts if isinstance(part, TextPart | ImagePart | FilePart))
