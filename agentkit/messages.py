"""Messages, their content parts, and token usage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Base64Bytes, BeforeValidator, Field, JsonValue, model_validator

from agentkit.json_text import MAX_JSON_DEPTH, is_deeper_than
from agentkit.records import Record

__all__ = [
    "MAX_COUNT",
    "MAX_SHOWN_BYTES",
    "ContentPart",
    "FilePart",
    "ImagePart",
    "InputPart",
    "Message",
    "MessageSource",
    "StoredContent",
    "SummarizedMessages",
    "TextPart",
    "ThinkingPart",
    "ToolCall",
    "ToolResult",
    "Usage",
    "is_text_type",
    "user_message",
]

MAX_COUNT = 2**53
"""The highest count: doubles hold every integer up to it, and sums of counts stay below what Temporal can hold."""


def _clamped(value: object) -> object:
    """Return a count, or a cost, within what all stores hold; a sum may exceed that, and servers send anything."""
    if not isinstance(value, int | float):
        return value
    return max(0, min(value, MAX_COUNT)) if value == value else 0


MAX_SHOWN_BYTES = 3_750_000
"""The largest image of a tool that models are shown: 5 MB in base64, which all providers take."""

_SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

_TEXT_TYPES = re.compile(
    r"text/.*|application/([\w.-]+\+)?(json|xml|yaml|toml)|image/svg\+xml"
    r"|application/(x-)?(javascript|ecmascript|ndjson|yaml|toml|sh|sql)"
)

_Count = Annotated[int, BeforeValidator(_clamped)]


def _bounded_data(value: object) -> object:
    """Return a provider's data, or None where it is nested so deeply that it can't be stored."""
    return None if is_deeper_than(value, MAX_JSON_DEPTH) else value


MessageSource = Literal["planner", "compaction", "memory"]
"""``planner``: feedback on a response, such as an unusable one. ``compaction``: a summary of older messages.
``memory``: memories that were recalled."""


def is_text_type(media_type: str) -> bool:
    """Return whether content of this media type is text, such as ``text/csv`` and ``application/problem+json``."""
    return bool(_TEXT_TYPES.fullmatch(media_type.partition(";")[0].strip().lower()))


class TextPart(Record):
    """Text of a person or a model."""

    type: Literal["text"] = "text"
    text: str


class ImagePart(Record):
    """An image, by URL or as bytes: exactly one of the two."""

    type: Literal["image"] = "image"
    url: str | None = None
    data: Base64Bytes | None = None
    media_type: str | None = None
    """Such as ``image/png``; required with ``data``."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.url is None) == (self.data is None):
            raise ValueError("an image takes either url or data")
        if self.data is not None and not self.media_type:
            raise ValueError("an image given as data needs a media_type such as image/png")
        return self


class FilePart(Record):
    """A file of a person's message. Models read text as text; other files as they are, if their provider takes them."""

    type: Literal["file"] = "file"
    data: Base64Bytes = Field(repr=False)
    media_type: str = Field(min_length=1)
    """Such as ``application/pdf``; text, such as ``text/csv`` and ``application/json``, must be UTF-8."""
    name: str | None = None

    @property
    def label(self) -> str:
        """What it is, for people and models: its name and type."""
        return f"{self.name} ({self.media_type})" if self.name else self.media_type

    @property
    def is_text(self) -> bool:
        """Whether models read it as text."""
        return is_text_type(self.media_type)

    @model_validator(mode="after")
    def _text_is_utf8(self) -> Self:
        if self.is_text:
            try:
                self.data.decode()
            except UnicodeDecodeError:
                raise ValueError(
                    f"a file of type {self.media_type} must be text in UTF-8. Convert it, or give its real media_type"
                ) from None
        return self


class ThinkingPart(Record):
    """A model's reasoning before its response. Not part of a task's output."""

    type: Literal["thinking"] = "thinking"
    text: str
    signature: str | None = None
    """The provider's signature of the text; sent back unchanged."""
    provider: str | None = None
    """The provider whose model wrote it; requests to other providers leave it out."""
    data: Annotated[JsonValue | None, BeforeValidator(_bounded_data)] = None
    """Further data to send back to the provider, such as an encrypted item."""


class ToolCall(Record):
    """A model's request to call a tool."""

    type: Literal["tool_call"] = "tool_call"
    id: str
    """Unique within the task."""
    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    malformed: str | None = None
    """The arguments as the model wrote them, if they are not a JSON object; then ``arguments`` is empty."""


class StoredContent(Record):
    """Content of a tool call outside of the transcript: the whole of a long result, or an image or file."""

    media_type: str
    size: int
    """In bytes."""
    name: str | None = None
    """A file's name."""
    claim: Mapping[str, str] | None = Field(default=None, exclude_if=lambda claim: claim is None)
    """The payload storage's reference to the bytes. None: it doesn't have them."""
    data: Base64Bytes | None = Field(default=None, repr=False, exclude_if=lambda data: data is None)
    """The bytes themselves: in requests to models, never in a history."""

    @property
    def is_text(self) -> bool:
        """Whether it can be read as text."""
        return is_text_type(self.media_type)

    @property
    def is_shown(self) -> bool:
        """Whether models that take images are shown it."""
        return self.media_type in _SHOWN_TYPES and self.size <= MAX_SHOWN_BYTES


class ToolResult(Record):
    """The result of a tool call, as the model sees it: text of bounded length, and files."""

    type: Literal["tool_result"] = "tool_result"
    call_id: str
    name: str
    content: str
    is_error: bool = False
    whole: StoredContent | None = None
    """All of a result of which ``content`` has the start and the end."""
    files: tuple[StoredContent, ...] | None = None
    """Images and other files that the tool returned; ``content`` describes them."""

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """The images among the files whose bytes are here."""
        shown = (file for file in self.files or () if file.is_shown and file.data)
        # The bytes need no validation, which would decode base64.
        return tuple(ImagePart.model_construct(data=file.data, media_type=file.media_type) for file in shown)

    def without_claims(self) -> Self:
        """Return the result without references to where contents are stored, which are of no use to clients."""
        if self.whole is None and not self.files:
            return self
        whole = self.whole and self.whole.model_copy(update={"claim": None, "data": None})
        files = tuple(file.model_copy(update={"claim": None, "data": None}) for file in self.files or ())
        return self.model_copy(update={"whole": whole, "files": files or None})


ContentPart = Annotated[
    TextPart | ImagePart | FilePart | ThinkingPart | ToolCall | ToolResult, Field(discriminator="type")
]
InputPart = Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]
"""A content part of a person's message."""


class SummarizedMessages(Record):
    """The older messages that a summary stands for."""

    messages: int
    """How many they are, those of earlier summaries included."""
    responses: int = 0
    """How many of them are responses to the newest message of a person."""


class Message(Record):
    """One entry of a transcript."""

    role: Literal["user", "assistant", "tool"]
    parts: tuple[ContentPart, ...]
    model: str | None = None
    """``provider:name`` of the model that wrote it; only in assistant messages."""
    source: MessageSource | None = None
    """What wrote a user message that no person wrote. None: a person, or the role is another one."""
    is_interrupted: bool = Field(default=False, exclude_if=lambda is_interrupted: not is_interrupted)
    """Whether a person interrupted the model: the message is what it had written until then."""
    pinned: bool = Field(default=False, exclude_if=lambda pinned: not pinned)
    """Whether compaction leaves the message as it is."""
    summary_of: SummarizedMessages | None = Field(default=None, exclude_if=lambda summary: summary is None)
    """What a summary stands for. A message of source ``compaction`` without it asks a model for a summary."""

    @property
    def asks_for_summary(self) -> bool:
        """Whether the message asks a model for a summary of older messages."""
        return self.source == "compaction" and self.summary_of is None

    @property
    def text(self) -> str:
        """The text parts, joined; without thinking, tool calls and results."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    def without_claims(self) -> Self:
        """Return the message without what ``ToolResult.without_claims`` leaves out."""
        if self.role != "tool":
            return self
        parts = (part.without_claims() if isinstance(part, ToolResult) else part for part in self.parts)
        return self.model_copy(update={"parts": tuple(parts)})


def user_message(content: str | tuple[InputPart, ...]) -> Message:
    """Return a user message with this content."""
    parts = (TextPart(text=content),) if isinstance(content, str) else content
    return Message(role="user", parts=parts)


class Usage(Record):
    """Tokens, cost and calls, each from 0 to ``MAX_COUNT``; sums with ``+``."""

    input_tokens: _Count = 0
    """All tokens of the prompts, including cached ones."""
    output_tokens: _Count = 0
    """All tokens of the responses, including reasoning."""
    reasoning_tokens: _Count = 0
    """The reasoning tokens among ``output_tokens``, where the provider reports them."""
    cached_tokens: _Count = 0
    """The tokens among ``input_tokens`` that the provider read from its cache."""
    cache_write_tokens: _Count = 0
    """The tokens among ``input_tokens`` that the provider wrote to its cache, where it charges for that."""
    cost_usd: Annotated[float | None, BeforeValidator(_clamped)] = None
    """US dollars, without the calls that ``unpriced_calls`` counts; None if no price is known."""
    unpriced_calls: _Count = 0
    """The model calls among ``model_calls`` whose price is unknown."""
    model_calls: _Count = 0
    tool_calls: _Count = 0

    @property
    def tokens(self) -> int:
        """Input and output tokens together, which ``max_tokens`` limits."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cost_usd=sum(costs) if costs else None,
            unpriced_calls=self.unpriced_calls + other.unpriced_calls,
            model_calls=self.model_calls + other.model_calls,
            tool_calls=self.tool_calls + other.tool_calls,
        )
