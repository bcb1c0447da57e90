"""Requests for tasks, with all their rules: REST and gRPC bring theirs into these types, and add no rule."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from agentkit.config.durations import Duration
from agentkit.config.providers import PROVIDERS
from agentkit.specs import AgentDefinition
from agentkit.validation.number_fields import require_number
from api.tasks.requests.content_input import TaskContent
from api.tasks.requests.request_validation import ServiceRequest
from workflows.task_types import TaskStatus

__all__ = [
    "MAX_WAIT_S",
    "MODEL_PATTERN",
    "NO_CONTROLS",
    "ONE_AGENT",
    "TAG_PATTERN",
    "LimitsChange",
    "NewTask",
    "RequestTime",
    "TaskFilter",
    "TaskListRequest",
]

MAX_WAIT_S = 60
"""The longest wait for a task's end; proxies close a silent connection after about that time."""

NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
"""No control characters."""
TAG_PATTERN = r"^[^\x00-\x1f\x7f\"'\\]+$"
"""Neither quotes nor backslashes: Temporal's embedded store can't search for them."""

MODEL_PATTERN = rf"^(demo|({'|'.join(PROVIDERS)}):[\s\S]+)$"
"""What ``split_model`` accepts."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
"""The beginning of a time of RFC 3339."""


def _refuse_numbers(value: object) -> object:
    """Return a time, or the text of one; pydantic would take numbers, also as text, for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.match(value)):
        return value
    raise ValueError("Expected a time such as 2026-11-21T19:53:11Z")


RequestTime = Annotated[AwareDatetime, BeforeValidator(_refuse_numbers)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_CONTROLS)]
_TaskTag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=TAG_PATTERN)]
_MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_MetadataValue = Annotated[str, StringConstraints(max_length=1024)]


class LimitsChange(ServiceRequest):
    """Limits that replace the agent's own; those left out stay as the agent has them."""

    max_steps: int = Field(default=30, ge=1, le=10_000)
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost_usd: float | None = Field(default=None, gt=0)
    max_repeats: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="So many identical steps in a row end the task; 0 is no limit.",
        json_schema_extra={"not": {"const": 1}},
    )
    deadline: Duration | None = Field(default=None, description='Seconds, or text such as "10m"; ten years at most.')
    on_exhausted: Literal["fail", "ask"] = "fail"

    _numbers = field_validator("max_steps", "max_tokens", "max_cost_usd", "max_repeats", mode="before")(require_number)


ONE_AGENT: JsonValue = [
    {"required": ["agent"], "properties": {"agent": {"type": "string"}, "agent_spec": {"type": "null"}}},
    {"required": ["agent_spec"], "properties": {"agent": {"type": "null"}, "agent_spec": {"type": "object"}}},
]
"""What ``NewTask._one_agent`` checks, in JSON Schema."""


class NewTask(ServiceRequest):
    """One input for one agent."""

    agent: str | None = Field(default=None, max_length=255, description="The name of an agent.")
    agent_spec: AgentDefinition | None = Field(
        default=None, description="Instead of `agent`: a complete definition, with the keys of agents/*.yaml."
    )
    input: TaskContent = Field(description="Text, a list of content parts, or a prompt of an MCP server.")
    conversation_id: Annotated[str | None, WithJsonSchema({"type": "null"})] = Field(
        default=None, description="Not in this release."
    )
    model: str | None = Field(
        default=None,
        max_length=255,
        description="`provider:name`, instead of the agent's own.",
        json_schema_extra={"pattern": MODEL_PATTERN},
    )
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema that the output must fit, instead of the agent's own; then it is JSON."
    )
    limits: LimitsChange | None = None
    tags: tuple[_TaskTag, ...] = Field(default=(), max_length=20)
    metadata: dict[_MetadataKey, _MetadataValue] = Field(default_factory=dict, max_length=50)
    user: _Name | None = Field(default=None, description="Whose task this is: the scope of long-term memory.")
    start_at: RequestTime | None = Field(
        default=None, description="Not before this time (with its zone; at most a year ahead). The past means now."
    )

    @field_validator("conversation_id")
    @classmethod
    def _not_in_this_release(cls, value: object, info: ValidationInfo) -> object:
        if value is not None:
            raise ValueError(f"This release has no {info.field_name} for tasks yet. Leave it out")
        return value

    @model_validator(mode="after")
    def _one_agent(self) -> Self:
        if (self.agent is None) == (self.agent_spec is None):
            raise ValueError("Give either agent (a name) or agent_spec (a definition)")
        return self

    @property
    def limit_changes(self) -> dict[str, Any]:
        """The limits that the request sets, without defaults."""
        return self.limits.model_dump(exclude_unset=True) if self.limits else {}

    @property
    def unique_tags(self) -> tuple[str, ...]:
        """The tags in their order, each once."""
        return tuple(dict.fromkeys(self.tags))


class TaskFilter(ServiceRequest):
    """Which tasks to list; None and empty are no filter."""

    status: tuple[TaskStatus, ...] = Field(default=(), description="Given several times: any of these.")
    agent: _Name | None = None
    conversation_id: _Name | None = None
    parent_id: _Name | None = None
    tag: _TaskTag | None = Field(default=None, description="One of the task's tags.")
    tenant: _Name | None = Field(default=None, description="For administrators; others see their own tenant's only.")
    created_after: RequestTime | None = None
    created_before: RequestTime | None = None


class TaskListRequest(TaskFilter):
    """Which tasks to list, and which page."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(
        default=None,
        max_length=1000,
        description="`next_cursor` of the page before, with the same filters.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    )
