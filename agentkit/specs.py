"""What an agent is: its definition, and the tools it was given, frozen and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from agentkit.config.durations import Duration
from agentkit.records import Record

__all__ = [
    "AgentDefinition",
    "AgentSpec",
    "Approval",
    "ApprovalRule",
    "Effect",
    "Limits",
    "MemorySettings",
    "ModelSettings",
    "Name",
    "ToolSpec",
]

Effect = Literal["pure", "idempotent", "irreversible"]
"""``pure``: no side effect. ``idempotent``: safe to repeat with the same key. ``irreversible``: neither."""

Approval = Literal["always", "never"]
"""When a person must approve a call."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
"""A letter, then letters, digits, ``_`` or ``-``; 64 at most."""


class _Written(Record):
    """What people write by hand: an unknown key is an error, not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolSpec(Record):
    """What is known of a tool before it is called."""

    name: str
    description: str
    """For the model: what it does, and when to use it."""
    parameters: dict[str, JsonValue]
    """JSON Schema of its arguments; an object."""
    effect: Effect = "irreversible"
    """The default is the careful one."""
    timeout: float = 60.0
    """Seconds for one attempt."""
    approval: Approval | None = None
    """None: by effect (irreversible asks)."""
    fast: bool = False
    """Takes milliseconds and is pure: runs as a local activity (fewer events, less latency)."""
    task_queue: str | None = None
    """Where its worker polls; None is the task's own queue."""


class ApprovalRule(_Written):
    """When calls of a tool need a person's approval; the first rule that matches counts."""

    tool: str
    """A tool's name; ``*`` stands for any text."""
    when: Approval = "always"
    expires: Duration = 86400.0
    """Seconds until the approval lapses."""
    on_expiry: Literal["deny", "fail"] = "deny"


class ModelSettings(_Written):
    """How a model is asked; None leaves it to the provider. What a provider doesn't take is left out."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    max_output_tokens: int | None = Field(default=None, ge=1)
    thinking_budget: int | None = Field(default=None, ge=0)
    """Tokens that it may think before it answers; 0 is no thinking."""
    seed: int | None = None
    extra_headers: dict[str, str] = Field(default_factory=dict)
    """Sent with each request; for gateways and routing, never for keys: they would stand in history."""


class MemorySettings(_Written):
    """Long-term memory of an agent."""

    long_term: bool = False
    recall: int = Field(default=0, ge=0, le=100)
    """How many memories are recalled at the start of a turn."""
    scope: Literal["user", "agent", "tenant"] = "user"


class Limits(_Written):
    """Ceilings of one task; None is no ceiling."""

    max_steps: int = Field(default=30, ge=1, le=10_000)
    max_tokens: int | None = Field(default=None, ge=1)
    """Input and output tokens together."""
    max_cost_usd: float | None = Field(default=None, gt=0)
    deadline: Duration | None = None
    """Seconds of wall clock from the start of the task."""
    on_exhausted: Literal["fail", "ask"] = "fail"


class AgentDefinition(_Written):
    """One agent, as written in ``agents/NAME.yaml``."""

    name: Name
    description: str = ""
    model: str | tuple[str, ...] | None = None
    """``provider:name``, or several: a fallback chain. None is the configured default."""
    planner: str | None = None
    """None is the configured default."""
    instructions: str = ""
    tools: tuple[str, ...] = ()
    """Names of tools."""
    approvals: tuple[ApprovalRule, ...] = ()
    memory: MemorySettings = MemorySettings()
    limits: Limits = Limits()
    model_settings: ModelSettings = ModelSettings()
    output_schema: dict[str, JsonValue] | None = None
    """JSON Schema that the task's output must fit."""


class AgentSpec(Record):
    """An agent ready to run: names resolved, defaults filled in.

    It enters a task's history once, with the task's input; activities refer to it by ``hash``.
    """

    name: str
    description: str = ""
    models: tuple[str, ...]
    """``provider:name`` each; the first is asked, the others stand in for it."""
    planner: str
    instructions: str = ""
    tools: tuple[ToolSpec, ...] = ()
    approvals: tuple[ApprovalRule, ...] = ()
    limits: Limits = Limits()
    model_settings: ModelSettings = ModelSettings()
    output_schema: dict[str, JsonValue] | None = None

    @cached_property
    def hash(self) -> str:
        """Names this content: 32 hexadecimal digits of SHA-256 over the canonical JSON."""
        return hashlib.sha256(self.canonical_json()).hexdigest()[:32]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with ``update`` in it, under a hash of its own."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("hash", None)  # pydantic copies cached properties, too
        return copy

    def tool(self, name: str) -> ToolSpec | None:
        """Return the tool of that name, or None."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what no loader should let through."""
        if not self.models:
            raise ValueError("an agent needs at least one model")
