"""Requests for tasks, with all their rules: REST and gRPC bring theirs into these types, and add no rule."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AwareDatetime,
    Base64Encoder,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    EncodedBytes,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from agentkit.config.durations import Duration
from agentkit.config.providers import PROVIDERS
from agentkit.messages import FilePart, ImagePart, InputPart, TextPart
from agentkit.number_fields import require_number
from agentkit.policy_rules import REPLACED_KEYS
from agentkit.specs import AgentDefinition
from agentkit.validation_messages import data_path
from api.tasks.errors import FieldIssue, RequestInvalid
from workflows.task_types import TaskStatus

__all__ = [
    "MAX_WAIT_S",
    "ONE_AGENT",
    "FileInput",
    "ImageInput",
    "LimitsChange",
    "NewTask",
    "TaskFilter",
    "TaskListRequest",
    "TextInput",
    "issue_text",
    "parse_request",
    "request_issues",
]

MAX_WAIT_S = 60
"""The longest wait for a task's end; proxies close a silent connection after about that time."""

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
"""No control characters."""
_TAG = r"^[^\x00-\x1f\x7f\"'\\]+$"
"""Neither quotes nor backslashes: Temporal's embedded store can't search for them."""

_BASE64 = r"^\s*(([A-Za-z0-9+/]\s*){4})*(([A-Za-z0-9+/]\s*){2}=\s*=\s*|([A-Za-z0-9+/]\s*){3}=\s*)?$"
"""What ``_StrictBase64`` decodes."""
_MODEL = rf"^(demo|({'|'.join(PROVIDERS)}):[\s\S]+)$"
"""What ``split_model`` accepts."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
"""The beginning of a time of RFC 3339."""


def _refuse_numbers(value: object) -> object:
    """Return a time, or the text of one; pydantic would take numbers, also as text, for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.match(value)):
        return value
    raise ValueError("Expected a time such as 2026-11-21T19:53:11Z")


_Time = Annotated[AwareDatetime, BeforeValidator(_refuse_numbers)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NO_CONTROLS)]
_TaskTag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_TAG)]
_MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_MetadataValue = Annotated[str, StringConstraints(max_length=1024)]


class _Request(BaseModel):
    """Rejects unknown fields, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_RequestT = TypeVar("_RequestT", bound=_Request)


class TextInput(TextPart):
    """Text."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"required": ["type", "text"]})


class _StrictBase64(Base64Encoder):
    """Base64 with no other characters than white space; pydantic's own decoder skips them, which breaks the image."""

    @classmethod
    def decode(cls, data: bytes) -> bytes:
        """Return the bytes.

        Raises:
            ValueError: it isn't base64.
        """
        try:
            return binascii.a2b_base64(b"".join(data.split()), strict_mode=True)
        except ValueError as error:
            raise ValueError(f"Expected base64 ({error})") from None


_MEDIA_TYPE = r"^[\w.+-]+/[\w.+-]+( *;.*)?$"
_FILE_NAME = r"^[^\x00-\x1f\x7f/\\]+$"

_IMAGE_SOURCE: JsonValue = [
    {"required": ["url"], "properties": {"url": {"type": "string"}, "data": {"type": "null"}}},
    {
        "required": ["data", "media_type"],
        "properties": {
            "url": {"type": "null"},
            "data": {"type": "string"},
            "media_type": {"type": "string", "minLength": 1},
        },
    },
]
"""What ``ImagePart._one_source`` checks, in JSON Schema."""


class ImageInput(ImagePart):
    """An image, by ``url``, or as base64 ``data`` with its ``media_type``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"required": ["type"], "oneOf": _IMAGE_SOURCE}
    )

    data: Annotated[bytes, EncodedBytes(encoder=_StrictBase64)] | None = Field(
        default=None, json_schema_extra={"pattern": _BASE64}
    )


class FileInput(FilePart):
    """A file: base64 ``data`` with its ``media_type``, and a ``name``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"required": ["type", "data", "media_type"]}
    )

    data: Annotated[bytes, EncodedBytes(encoder=_StrictBase64)] = Field(json_schema_extra={"pattern": _BASE64})
    media_type: str = Field(max_length=200, json_schema_extra={"pattern": _MEDIA_TYPE})
    name: str | None = Field(default=None, max_length=255, json_schema_extra={"pattern": _FILE_NAME})

    @field_validator("media_type")
    @classmethod
    def _check_media_type(cls, media_type: str) -> str:
        if not re.fullmatch(_MEDIA_TYPE, media_type):
            raise ValueError("Expected a media type such as application/pdf")
        return media_type

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(_FILE_NAME, name):
            raise ValueError("Expected a file name such as invoice.pdf, without directories and control characters")
        return name


def _input_kind(value: object) -> str | None:
    if isinstance(value, str):
        return "text"
    return "parts" if isinstance(value, list | tuple) else None


_Part = Annotated[TextInput | ImageInput | FileInput, Field(discriminator="type")]
_NOT_BLANK: JsonValue = {
    "minItems": 1,
    "contains": {
        "anyOf": [
            {"required": ["type"], "properties": {"type": {"enum": ["image", "file"]}}},
            {"required": ["text"], "properties": {"text": {"pattern": r"\S"}}},
        ]
    },
}
"""What ``NewTask._not_blank`` checks of a list, in JSON Schema."""
_Parts = Annotated[list[_Part], Field(max_length=100, json_schema_extra=_NOT_BLANK)]
_Input = Annotated[
    Annotated[str, Tag("text"), Field(json_schema_extra={"pattern": r"\S"})] | Annotated[_Parts, Tag("parts")],
    Discriminator(
        _input_kind,
        custom_error_type="input_kind",
        custom_error_message="Expected text, or a list of content parts such as {type: text, text: ...}",
    ),
]
"""A discriminated union, so that errors are about the kind that was sent and not about both."""


class LimitsChange(_Request):
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


class NewTask(_Request):
    """One input for one agent."""

    agent: str | None = Field(default=None, max_length=255, description="The name of an agent.")
    agent_spec: AgentDefinition | None = Field(
        default=None, description="Instead of `agent`: a complete definition, with the keys of agents/*.yaml."
    )
    input: _Input = Field(description="Text, or a list of content parts.")
    conversation_id: Annotated[str | None, WithJsonSchema({"type": "null"})] = Field(
        default=None, description="Not in this release."
    )
    model: str | None = Field(
        default=None,
        max_length=255,
        description="`provider:name`, instead of the agent's own.",
        json_schema_extra={"pattern": _MODEL},
    )
    output_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema that the output must fit, instead of the agent's own; then it is JSON."
    )
    limits: LimitsChange | None = None
    tags: tuple[_TaskTag, ...] = Field(default=(), max_length=20)
    metadata: dict[_MetadataKey, _MetadataValue] = Field(default_factory=dict, max_length=50)
    user: _Name | None = Field(default=None, description="Whose task this is: the scope of long-term memory.")
    start_at: _Time | None = Field(
        default=None, description="Not before this time (with its zone; at most a year ahead). The past means now."
    )

    @field_validator("input")
    @classmethod
    def _not_blank(cls, value: _Input) -> _Input:
        blank = not value.strip() if isinstance(value, str) else all(map(_is_blank, value))
        if blank:
            raise ValueError("The input is empty. Write what the agent is to do")
        return value

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
    def content(self) -> str | tuple[InputPart, ...]:
        """The input as messages hold it."""
        if isinstance(self.input, str):
            return self.input
        return tuple(_message_part(part) for part in self.input)

    @property
    def limit_changes(self) -> dict[str, Any]:
        """The limits that the request sets, without defaults."""
        return self.limits.model_dump(exclude_unset=True) if self.limits else {}

    @property
    def unique_tags(self) -> tuple[str, ...]:
        """The tags in their order, each once."""
        return tuple(dict.fromkeys(self.tags))


class TaskFilter(_Request):
    """Which tasks to list; None and empty are no filter."""

    status: tuple[TaskStatus, ...] = Field(default=(), description="Given several times: any of these.")
    agent: _Name | None = None
    conversation_id: _Name | None = None
    parent_id: _Name | None = None
    tag: _TaskTag | None = Field(default=None, description="One of the task's tags.")
    created_after: _Time | None = None
    created_before: _Time | None = None


class TaskListRequest(TaskFilter):
    """Which tasks to list, and which page."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(
        default=None,
        max_length=1000,
        description="`next_cursor` of the page before, with the same filters.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    )


def parse_request(kind: type[_RequestT], data: Mapping[str, object]) -> _RequestT:
    """Return ``data``, in JSON's types, as a request.

    Raises:
        RequestInvalid: with an issue for each field that breaks a rule.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise RequestInvalid(*request_issues(error.errors(include_url=False, include_input=False), data)) from None


def request_issues(errors: Iterable[Mapping[str, Any]], data: object) -> tuple[FieldIssue, ...]:
    """Return pydantic's errors about ``data`` as issues, without the values: they may be large, secret or not text."""
    return tuple(
        FieldIssue(data_path(error["loc"], data, missing=error["type"] == "missing"), issue_text(error))
        for error in errors
    )


def issue_text(error: Mapping[str, Any]) -> str:
    """Return what one of pydantic's errors is about, for people."""
    if error["type"] == "extra_forbidden":
        if error["loc"][:-1] == ("agent_spec",) and (replaced := REPLACED_KEYS.get(str(error["loc"][-1]))):
            return replaced
        return "There is no such field"
    return str(error["msg"]).removeprefix("Value error, ")


def _is_blank(part: TextInput | ImageInput | FileInput) -> bool:
    return isinstance(part, TextInput) and not part.text.strip()


def _message_part(part: TextInput | ImageInput | FileInput) -> InputPart:
    if isinstance(part, TextInput):
        return TextPart(text=part.text)
    kind = FilePart if isinstance(part, FileInput) else ImagePart
    return kind.model_construct(**dict(part))  # valid already, and decoding bytes again costs milliseconds
