"""What may be asked: the bodies and parameters of requests, with an example."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from agentkit.config.durations import Duration
from agentkit.messages import ImagePart, InputPart, TextPart
from agentkit.specs import AgentDefinition
from api.tasks.task_listing import TaskFilter
from workflows.task_types import TaskStatus

__all__ = ["CreateTask", "ImageInput", "LimitsChange", "ListTasks", "TextInput"]

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
"""No control characters."""
_TAG = r"^[^\x00-\x1f\x7f\"'\\]+$"
"""Neither quotes nor backslashes: Temporal's embedded store can't search for them."""

_Plain = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NO_CONTROLS)]
_Label = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_TAG)]


def _mend_plus(value: object) -> object:
    return value.replace(" ", "+") if isinstance(value, str) else value


_Moment = Annotated[AwareDatetime, BeforeValidator(_mend_plus)]
"""A time with its zone; also when the ``+`` of ``+00:00`` reaches us as the space that it stands for in a URL."""
_MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_MetadataValue = Annotated[str, StringConstraints(max_length=1024)]


class _Asked(BaseModel):
    """Of a request: an unknown field is an error, and so is a number that isn't one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TextInput(TextPart):
    """Text."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageInput(ImagePart):
    """An image, by ``url``, or as base64 ``data`` with its ``media_type``."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _kind_of_input(value: object) -> str | None:
    if isinstance(value, str):
        return "text"
    return "parts" if isinstance(value, list | tuple) else None


_Part = Annotated[TextInput | ImageInput, Field(discriminator="type")]
_Parts = Annotated[list[_Part], Field(max_length=100)]
_Input = Annotated[
    Annotated[str, Tag("text")] | Annotated[_Parts, Tag("parts")],
    Discriminator(
        _kind_of_input,
        custom_error_type="input_kind",
        custom_error_message="Expected text, or a list of content parts such as {type: text, text: ...}",
    ),
]
"""A discriminated union, so that errors are about what was sent and not about both."""


class LimitsChange(_Asked):
    """Limits that replace the agent's own; those left out stay as the agent has them."""

    max_steps: int = Field(default=30, ge=1, le=10_000)
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost_usd: float | None = Field(default=None, gt=0)
    deadline: Duration | None = Field(
        default=None, le=315_360_000, description='Seconds, or text such as "10m"; ten years at most.'
    )
    on_exhausted: Literal["fail", "ask"] = "fail"


class CreateTask(_Asked):
    """One input for one agent."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "example": {
                "agent": "assistant",
                "input": "What is 6 times 7?",
                "limits": {"max_steps": 10, "deadline": "10m"},
                "tags": ["trial"],
                "metadata": {"ticket": "4711"},
            }
        },
    )

    agent: str | None = Field(default=None, max_length=255, description="The name of an agent (`GET /agents`).")
    agent_spec: AgentDefinition | None = Field(
        default=None, description="Instead of `agent`: a whole definition, with the keys of agents/*.yaml."
    )
    input: _Input = Field(description="Text, or a list of content parts.")
    conversation_id: str | None = Field(default=None, description="Not in this release.")
    model: str | None = Field(default=None, max_length=255, description="`provider:name`, instead of the agent's own.")
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema that the output must fit, instead of the agent's own; then it is JSON."
    )
    limits: LimitsChange | None = None
    tags: tuple[_Label, ...] = Field(default=(), max_length=20)
    metadata: dict[_MetadataKey, _MetadataValue] = Field(default_factory=dict, max_length=50)
    user: _Plain | None = Field(default=None, description="Whose task this is: the scope of long-term memory.")
    start_at: AwareDatetime | None = Field(
        default=None, description="Not before this time (with its zone; at most a year ahead). The past means now."
    )

    @field_validator("input")
    @classmethod
    def _says_something(cls, value: _Input) -> _Input:
        blank = not value.strip() if isinstance(value, str) else not any(map(_says, value))
        if blank:
            raise ValueError("The input is empty. Write what the agent is to do")
        return value

    @field_validator("conversation_id")
    @classmethod
    def _not_yet(cls, value: object, info: ValidationInfo) -> object:
        if value is not None:
            raise ValueError(f"This release has no {info.field_name} for tasks yet. Leave it out")
        return value

    @model_validator(mode="after")
    def _one_agent(self) -> Self:
        if (self.agent is None) == (self.agent_spec is None):
            raise ValueError("Give either agent (a name) or agent_spec (a definition)")
        return self

    def content(self) -> str | tuple[InputPart, ...]:
        """Return the input as messages hold it."""
        if isinstance(self.input, str):
            return self.input
        return tuple(_plain_part(part) for part in self.input)

    def limit_changes(self) -> dict[str, Any]:
        """Return the limits that were given, and only those."""
        return self.limits.model_dump(exclude_unset=True) if self.limits else {}


class ListTasks(_Asked):
    """Which tasks to list, and which page."""

    status: list[TaskStatus] = Field(default_factory=list, description="Given several times: any of these.")
    agent: _Plain | None = None
    conversation_id: _Plain | None = None
    parent_id: _Plain | None = None
    tag: _Label | None = Field(default=None, description="One of the task's tags.")
    created_after: _Moment | None = None
    created_before: _Moment | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=1000, description="`next_cursor` of the page before.")

    def filter(self) -> TaskFilter:
        """Return the filters alone."""
        return TaskFilter(
            status=tuple(self.status),
            agent=self.agent,
            conversation_id=self.conversation_id,
            parent_id=self.parent_id,
            tag=self.tag,
            created_after=self.created_after,
            created_before=self.created_before,
        )


def _says(part: TextInput | ImageInput) -> bool:
    return isinstance(part, ImageInput) or bool(part.text.strip())


def _plain_part(part: TextInput | ImageInput) -> InputPart:
    if isinstance(part, TextInput):
        return TextPart(text=part.text)
    return ImagePart.model_validate(part.model_dump())
