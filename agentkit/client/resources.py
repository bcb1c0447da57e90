"""The API's objects, as far as programs read them; unknown fields are ignored."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, Self

from pydantic import Field, JsonValue

from agentkit.input_requests import InputRequest
from agentkit.interfaces import DEFAULT_TENANT, McpPrompt, McpResource
from agentkit.messages import InputPart, Message, Usage
from agentkit.records import Record

__all__ = [
    "Agent",
    "AgentList",
    "ApiObject",
    "DefaultModel",
    "DeletedTask",
    "ForkedFrom",
    "InputRequestList",
    "JsonObject",
    "McpProblem",
    "McpPrompts",
    "McpResources",
    "McpServerInfo",
    "McpServerList",
    "McpToolInfo",
    "McpTools",
    "MessageList",
    "OpenInputRequest",
    "Stalled",
    "SystemInfo",
    "Task",
    "TaskError",
    "TaskInputRequests",
    "TaskList",
    "TaskStatus",
    "TenantUsage",
    "ToolInfo",
    "ToolList",
]

JsonObject = dict[str, JsonValue]

TaskStatus = Literal[
    "queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "terminated", "timed_out"
]


class ApiObject(Record):
    """A JSON object that the API sent."""

    raw: JsonObject = Field(default_factory=dict, exclude=True, repr=False)
    """The object as received, unknown fields included."""

    @classmethod
    def from_json(cls, value: JsonObject) -> Self:
        """Parse an object, and keep it as ``raw``.

        Raises:
            ValueError: ``value`` is no object, or lacks required fields.
        """
        if not isinstance(value, dict):
            raise ValueError("expected a JSON object")
        return cls.model_validate({**value, "raw": value})


class TaskError(Record):
    """Why a task failed."""

    type: str = ""
    message: str = ""
    step: int | None = None


class Stalled(Record):
    """Why a task can't go on though workers may run."""

    kind: str = "code"
    """``code``: its workflow code fails. ``version``: it needs workers of a version that none has, or isn't current."""
    message: str = ""
    since: datetime | None = None
    """When it failed first. None in lists."""


class ForkedFrom(Record):
    """Where a fork comes from."""

    task_id: str
    step: int
    """The last step that both tasks have in common; 0: none."""


class Task(ApiObject):
    """One input, one output, and the state between them."""

    id: str
    agent: str = ""
    status: TaskStatus
    title: str = ""
    """The first words of the input."""
    input: str | tuple[InputPart, ...] | None = None
    """None in lists."""
    output: JsonValue = None
    """Text, or an object that fits the output schema. None in lists, and until the task has completed."""
    error: TaskError | None = None
    usage: Usage = Usage()
    steps: int = 0
    doing: str = ""
    """The current activity, for people."""
    waiting_for_worker: bool = False
    """Whether it can't go on because no worker polls its task queue."""
    stalled: Stalled | None = None
    """Set while the workflow's code fails: a defect, or workers of a release that doesn't fit the task."""
    input_requests: tuple[InputRequest, ...] = ()
    """What the task asks people, oldest first."""
    forked_from: ForkedFrom | None = None
    conversation_id: str | None = None
    parent_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    user: str | None = None
    tenant: str = DEFAULT_TENANT
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    """The end, with any final status."""
    links: dict[str, str | None] = Field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether its status is final."""
        return self.status not in ("queued", "running", "waiting", "paused")


class DeletedTask(ApiObject):
    """How far the erasure of a task is."""

    id: str
    status: Literal["erasing", "erased"]
    """``erased``: nothing is left of it but its id."""
    memories: int | None = None
    """How many memories were erased; None where that was not requested."""
    waiting_for_worker: bool = False
    """Whether no worker runs that could go on with it."""
    problem: str | None = None
    """Why it doesn't get on, such as how it failed last; it is tried again and again. None: nothing has failed."""


class TaskList(ApiObject):
    """A page of tasks, newest first."""

    tasks: tuple[Task, ...]
    next_cursor: str | None = None
    total: int | None = None


class OpenInputRequest(InputRequest):
    """A pending input request, and the task that waits for its answer."""

    task_id: str
    agent: str = ""


class InputRequestList(ApiObject):
    """A page of the pending input requests of all tasks."""

    input_requests: tuple[OpenInputRequest, ...]
    next_cursor: str | None = None
    total: int | None = None
    """How many there are; where there are more pages, how many tasks have any."""


class TaskInputRequests(ApiObject):
    """The pending input requests of one task."""

    input_requests: tuple[InputRequest, ...]


class MessageList(ApiObject):
    """A page of a task's transcript."""

    messages: tuple[Message, ...]
    version: int = 1
    """The version that the messages are of."""
    versions: int = 1
    """How many versions there are: each time a long transcript is shortened, a new one begins."""


class Agent(Record):
    """An agent that tasks can be given to."""

    name: str
    description: str = ""
    models: tuple[str, ...] = ()
    """``provider:name`` each: the first model, then its fallbacks in order."""
    tools: tuple[str, ...] = ()
    """Names of tools."""
    problem: str | None = None
    """Why it can't be given tasks; None when it can."""


class AgentList(ApiObject):
    """All agents."""

    agents: tuple[Agent, ...]
    problems: tuple[str, ...] = ()
    """Errors in the files of the app directory."""


class TenantUsage(ApiObject):
    """What a tenant has spent today, and its limits; None where it has none."""

    tenant: str
    day: date
    """Today in UTC."""
    resets_at: datetime
    """Midnight UTC."""
    running_tasks: int
    tokens: int | None = None
    """Input and output tokens; None where the tenant has no daily limit, as nothing is counted then."""
    cost_usd: float | None = None
    model_calls: int | None = None
    unpriced_calls: int | None = None
    """The requests to models among ``model_calls`` whose price is unknown."""
    max_running_tasks: int | None = None
    max_tokens_a_day: int | None = None
    max_cost_usd_a_day: float | None = None


class ToolInfo(Record):
    """A tool that agents may name."""

    name: str
    description: str = ""
    parameters: JsonObject = Field(default_factory=dict)
    """JSON Schema of its arguments."""
    effect: str = ""
    """``pure``, ``idempotent`` or ``irreversible``."""
    timeout: float | None = None
    """Seconds that a call may take."""
    task_queue: str | None = None
    """The queue that its worker polls; None: that of the task."""


class ToolList(ApiObject):
    """All tools."""

    tools: tuple[ToolInfo, ...]


class McpProblem(Record):
    """Why an MCP server can't be used."""

    kind: str = ""
    """Such as ``crashed`` or ``timed_out``: see ``McpServerProblem.kind``."""
    message: str = ""


class McpServerInfo(Record):
    """An MCP server of ``mcp.json``."""

    name: str
    transport: str = ""
    """``stdio``, ``http`` or ``sse``."""
    tools: int | None = None
    """How many tools it offers; None while it can't be used."""
    problem: McpProblem | None = None
    """Why it can't be used now; None while it can."""


class McpServerList(ApiObject):
    """The MCP servers, by name."""

    servers: tuple[McpServerInfo, ...]


class McpToolInfo(Record):
    """A tool of an MCP server, by the server's own name."""

    name: str
    description: str = ""
    input_schema: JsonObject = Field(default_factory=dict)
    """JSON Schema of its arguments."""
    effect: str = ""
    """``pure``, ``idempotent`` or ``irreversible``."""


class McpTools(ApiObject):
    """The tools of an MCP server."""

    tools: tuple[McpToolInfo, ...]


class McpResources(ApiObject):
    """The resources of an MCP server, and its templates of resources."""

    resources: tuple[McpResource, ...]


class McpPrompts(ApiObject):
    """The prompts of an MCP server."""

    prompts: tuple[McpPrompt, ...]


class DefaultModel(Record):
    """The model of agents that name none."""

    name: str | None = None
    """``provider:name``; None when the API's settings name none that exists."""
    unconfigured: bool = False
    """The API has no key and no model set, so the demo model is used."""
    problem: str | None = None
    """What the API's settings lack for it; None when nothing."""


class SystemInfo(ApiObject):
    """What an API serves."""

    version: str = ""
    app: str = ""
    """The app's name, as the identities of its workers have it."""
    app_dir: str | None = None
    """An absolute path on the API's machine; None when other machines can reach the API."""
    data_dir: str | None = None
    """Where it stores large payloads; as ``app_dir``."""
    default_model: DefaultModel = DefaultModel()
    task_queue: str
    temporal: str
    """Address of its Temporal server, ``host:port``."""
    temporal_namespace: str = "default"
    temporal_ui: str = ""
    """Base URL of the Temporal Web UI."""
    worker_command: str = ""
    """Starts a worker of this app, on the API's machine."""
