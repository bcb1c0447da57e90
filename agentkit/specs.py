"""Definitions of agents and tools: as people write them, and resolved and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, field_validator, model_validator

from agentkit.config.durations import Duration
from agentkit.policy_rules import MAX_RULES, Effect, PolicyRule
from agentkit.records import Record
from agentkit.validation.number_fields import require_number

__all__ = [
    "AgentDefinition",
    "AgentSpec",
    "Approval",
    "CompactionSettings",
    "Effect",
    "Limits",
    "McpAgentSettings",
    "McpSelection",
    "McpToolName",
    "MemorySettings",
    "ModelSettings",
    "Name",
    "PolicyRule",
    "RaisedLimits",
    "ToolSpec",
]

Approval = Literal["always", "never"]
"""When a person must approve a call, by the tool's own wish."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
"""A letter, then letters, digits, ``_`` or ``-``; 64 at most."""


def _is_none(value: object) -> bool:
    return value is None


class _Strict(Record):
    """A record that people write by hand: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class McpToolName(Record):
    """An MCP tool by the names of ``mcp.json`` and of the server itself."""

    server: str
    name: str

    @property
    def path(self) -> str:
        """``SERVER/TOOL``: in activity types."""
        return f"{self.server}/{self.name}"


class ToolSpec(Record):
    """A tool's name, description, schema and options."""

    name: str
    description: str
    """For the model: what the tool does, and when to use it."""
    parameters: dict[str, JsonValue]
    """JSON Schema of the arguments; an object."""
    effect: Effect = "irreversible"
    """The default is the strictest: calls are never repeated, and need approval."""
    timeout: Duration = 60.0
    """Seconds that one attempt may take."""
    approval: Approval | None = None
    """None: by effect (irreversible calls need approval)."""
    fast: bool = False
    """The tool is pure and takes milliseconds, so it runs as a local activity (fewer events, less latency)."""
    task_queue: str | None = None
    """The queue that its worker polls; None: the task's own."""
    external: bool | None = Field(default=None, exclude_if=lambda external: external is None)
    """Whether a worker of another program serves it, as ``tools/*.yaml`` says. Our workers refuse its calls."""
    heartbeat: Duration | None = Field(default=None, exclude_if=lambda heartbeat: heartbeat is None)
    """Of an external tool: seconds without a heartbeat after which its worker counts as lost. None: it need not send
    any."""
    secrets: tuple[str, ...] | None = Field(default=None, exclude_if=lambda secrets: secrets is None)
    """The names of the secrets that the worker gives to it."""
    has_probe: bool = Field(default=False, exclude_if=lambda has_probe: not has_probe)
    """Whether its worker can find out if a call that was cut off took effect: see ``ProbedTool``."""
    mcp: McpToolName | None = Field(default=None, exclude_if=_is_none)
    """The tool of an MCP server that this is."""
    sampling: Literal["ask", "allow"] | None = Field(default=None, exclude_if=_is_none)
    """Whether its MCP server may ask the task's model during a call: after a person has allowed it, or always. None:
    never."""

    @property
    def policy_name(self) -> str:
        """The name that the rules of a policy match: ``mcp:SERVER/TOOL`` of an MCP tool, else ``name``."""
        return self.name if self.mcp is None else f"mcp:{self.mcp.path}"

    def matches(self, pattern: str) -> bool:
        """Return whether the pattern of a policy rule matches ``policy_name``, or ``name``."""
        return fnmatchcase(self.policy_name, pattern) or fnmatchcase(self.name, pattern)

    @property
    def activity_name(self) -> str:
        """The name in the activity type of its calls: ``SERVER/TOOL`` of an MCP tool, else ``name``."""
        return self.name if self.mcp is None else self.mcp.path


class ModelSettings(_Strict):
    """Options of model requests; None is the provider's default. Options that a provider lacks are not sent to it."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    max_output_tokens: int | None = Field(default=None, ge=1)
    thinking_budget: int | None = Field(default=None, ge=0)
    """The most reasoning tokens before the response; 0: no reasoning."""
    seed: int | None = None
    extra_headers: dict[str, str] = Field(default_factory=dict)
    """Sent with each request, for gateways and routing. Never for keys: these headers are stored in history."""
    omit: tuple[str, ...] | None = None
    """Fields of the provider's API that are left out of requests, such as ``stream_options``."""

    _numbers = field_validator("temperature", "max_output_tokens", "thinking_budget", "seed", mode="before")(
        require_number
    )


class MemorySettings(_Strict):
    """Long-term memory of an agent."""

    long_term: bool = False
    """Whether the agent has the tools ``remember``, ``recall``, ``forget`` and ``update_memory``."""
    recall: int = Field(default=0, ge=0, le=100)
    """How many memories are recalled at the start of a task or turn."""
    max_tokens: int = Field(default=1_000, ge=50, le=100_000)
    """The most tokens, estimated, of the message with recalled memories."""
    scope: Literal["user", "agent", "tenant"] = "user"
    extract: bool = False
    """Whether a model reads the transcript at the end of a task, and remembers the facts in it."""

    _numbers = field_validator("recall", "max_tokens", mode="before")(require_number)


class CompactionSettings(_Strict):
    """When and by what a transcript is shortened."""

    at: float = Field(default=0.8, gt=0, le=1)
    """At this share of the model's context window."""
    model: str | None = None
    """The model that writes the summary: ``provider:name``. None: the agent's own."""
    window: int | None = Field(default=None, ge=1_000)
    """The context window in tokens. None: as the price lists know it; where they don't, only a request that the model
    refuses as too long makes the transcript shorter."""
    off: bool = False
    """Whether transcripts are never shortened."""

    _numbers = field_validator("at", "window", mode="before")(require_number)


class McpAgentSettings(_Strict):
    """What an agent demands of MCP servers."""

    required: bool | tuple[str, ...] = False
    """Servers without which a task fails at its start; true: all that its tools name."""


class McpSelection(Record):
    """The MCP tools of an agent, before they are listed."""

    tools: tuple[str, ...]
    """``SERVER/PATTERN`` each."""
    required: tuple[str, ...] | None = Field(default=None, exclude_if=_is_none)
    """Servers without which a task fails at its start."""


class Limits(_Strict):
    """Limits of one task; None is no limit."""

    max_steps: int = Field(default=30, ge=1, le=10_000)
    max_tokens: int | None = Field(default=None, ge=1)
    """Input and output tokens together."""
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    deadline: Duration | None = None
    """Seconds of wall clock from the start of the task."""
    max_repeats: int | None = Field(default=None, ge=0, le=10_000, json_schema_extra={"not": {"const": 1}})
    """In so many steps in a row the same calls with the same results end the task. None: 6. 0: no limit."""
    on_exhausted: Literal["fail", "ask"] = "fail"

    _numbers = field_validator("max_steps", "max_tokens", "max_cost_usd", "max_repeats", mode="before")(require_number)

    @field_validator("max_repeats")
    @classmethod
    def _two_or_none(cls, value: int | None) -> int | None:
        if value == 1:
            raise ValueError("expected 2 or more, or 0 for no limit: with 1, the first call would end the task")
        return value


_ANY_LIMIT: list[JsonValue] = [
    {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
    for name in ("max_steps", "max_tokens", "max_cost_usd", "deadline", "max_repeats")
]
"""What ``RaisedLimits._any_limit`` checks, in JSON Schema."""


class RaisedLimits(_Strict):
    """New ceilings of a running task; None leaves a limit as it is. A limit can be raised, never lowered."""

    model_config = ConfigDict(json_schema_extra={"example": {"max_steps": 60}, "anyOf": _ANY_LIMIT})

    max_steps: int | None = Field(default=None, ge=1, le=10_000, exclude_if=_is_none)
    max_tokens: int | None = Field(default=None, ge=1, exclude_if=_is_none)
    """Input and output tokens together."""
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False, exclude_if=_is_none)
    deadline: Duration | None = Field(default=None, exclude_if=_is_none)
    """Seconds of wall clock from the start of the task."""
    max_repeats: int | None = Field(default=None, ge=0, le=10_000, exclude_if=_is_none)

    _numbers = field_validator("max_steps", "max_tokens", "max_cost_usd", "max_repeats", mode="before")(require_number)

    @model_validator(mode="after")
    def _any_limit(self) -> Self:
        if not self.model_dump():
            raise ValueError("expected a limit such as {max_steps: 60}")
        return self


class AgentDefinition(_Strict):
    """An agent as written in ``agents/NAME.yaml``."""

    name: Name
    description: str = ""
    model: str | tuple[str, ...] | None = None
    """``provider:name``, or several: a fallback chain. None: the configured default."""
    planner: str | None = None
    """Name of a planner, such as ``tools``; None: the configured default."""
    instructions: str = ""
    tools: tuple[str, ...] = ()
    """Names of tools; ``mcp:SERVER/PATTERN`` of those of an MCP server."""
    mcp: McpAgentSettings = McpAgentSettings()
    policy: tuple[PolicyRule, ...] = Field(default=(), max_length=MAX_RULES)
    """Which tool calls are made, need a person's approval, or are not made; the first rule that matches decides."""
    memory: MemorySettings = MemorySettings()
    compaction: CompactionSettings = CompactionSettings()
    limits: Limits = Limits()
    model_settings: ModelSettings = ModelSettings()
    output_schema: dict[str, JsonValue] | None = None
    """JSON Schema of the task's output."""


def _is_empty(items: tuple[object, ...]) -> bool:
    return not items


class AgentSpec(Record):
    """An agent with its tools and defaults resolved.

    It enters a task's history once, with the task's input; activities refer to it by ``hash``.
    """

    name: str
    description: str = ""
    models: tuple[str, ...]
    """``provider:name`` each: the first model, then its fallbacks in order."""
    planner: str
    """Name of a planner, such as ``tools``."""
    instructions: str = ""
    tools: tuple[ToolSpec, ...] = ()
    mcp: McpSelection | None = Field(default=None, exclude_if=_is_none)
    """The MCP tools that a task lists when it starts; they are among ``tools`` afterwards."""
    proxied: tuple[ToolSpec, ...] = Field(default=(), exclude_if=_is_empty)
    """The MCP tools that the model has named in calls of ``mcp_call``, as they were then; it isn't given them."""
    memory: MemorySettings | None = Field(default=None, exclude_if=_is_none)
    """None: no long-term memory."""
    compaction: CompactionSettings | None = Field(default=None, exclude_if=_is_none)
    """None: the defaults."""
    policy: tuple[PolicyRule, ...] = Field(default=(), exclude_if=_is_empty)
    limits: Limits = Limits()
    model_settings: ModelSettings = ModelSettings()
    output_schema: dict[str, JsonValue] | None = None

    @property
    def all_models(self) -> tuple[str, ...]:
        """The models of the chain, and the one that writes summaries of the transcript: ``provider:name`` each."""
        compaction = self.compaction
        if compaction is None or compaction.off or compaction.model is None:
            return self.models
        return (*self.models, compaction.model)

    @cached_property
    def hash(self) -> str:
        """The first 32 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json()).hexdigest()[:32]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with the fields in ``update`` replaced; its ``hash`` is computed anew."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("hash", None)  # pydantic copies cached properties
        return copy

    def tool(self, name: str) -> ToolSpec | None:
        """Return the tool with that name, or None."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def known_tool(self, name: str) -> ToolSpec | None:
        """Return the tool with that name, also one that only ``mcp_call`` calls, or None."""
        return self.tool(name) or next((tool for tool in self.proxied if tool.name == name), None)

    def mcp_tool(self, name: McpToolName) -> ToolSpec | None:
        """Return the MCP tool, if it is among ``tools`` or ``proxied``; else None."""
        return next((tool for tool in (*self.tools, *self.proxied) if tool.mcp == name), None)

    def model_post_init(self, context: Any, /) -> None:
        """Check that there is a model; every loader fills one in."""
        if not self.models:
            raise ValueError("an agent needs at least one model")
