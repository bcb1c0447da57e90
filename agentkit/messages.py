"""Messages, their content parts, and what a model's work cost."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Base64Bytes, Field, JsonValue, model_validator

from agentkit.records import Record

__all__ = [
    "ContentPart",
    "ImagePart",
    "InputPart",
    "Message",
    "TextPart",
    "ThinkingPart",
    "ToolCall",
    "ToolResult",
    "Usage",
    "user_message",
]


class TextPart(Record):
    """Text, as written by a person or a model."""

    type: Literal["text"] = "text"
    text: str


class ImagePart(Record):
    """An image, by URL or by bytes: exactly one of the two."""

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


class ThinkingPart(Record):
    """What a model thought before it answered. Not part of a task's output."""

    type: Literal["thinking"] = "thinking"
    text: str
    signature: str | None = None
    """The provider's proof, to be sent back unchanged."""
    provider: str | None = None
    """Who thought it; other providers are not sent it."""
    data: JsonValue | None = None
    """What the provider wants back besides, such as an encrypted item."""


class ToolCall(Record):
    """A model's wish to call a tool."""

    type: Literal["tool_call"] = "tool_call"
    id: str
    """Unique within the task."""
    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    malformed: str | None = None
    """What the model wrote, where that was no JSON object; then ``arguments`` is empty."""


class ToolResult(Record):
    """What a tool call came to, as the model sees it: bounded text."""

    type: Literal["tool_result"] = "tool_result"
    call_id: str
    name: str
    content: str
    is_error: bool = False


ContentPart = Annotated[TextPart | ImagePart | ThinkingPart | ToolCall | ToolResult, Field(discriminator="type")]
InputPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]
"""What a person may send."""


class Message(Record):
    """One entry of a transcript."""

    role: Literal["user", "assistant", "tool"]
    parts: tuple[ContentPart, ...]
    model: str | None = None
    """``provider:name`` of the model that wrote it; only for assistants."""
    source: Literal["planner"] | None = None
    """``planner``: a user message that no person wrote, such as feedback on an unusable answer."""

    @property
    def text(self) -> str:
        """Its text parts, joined; without thinking, calls and results."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Its tool calls, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


def user_message(content: str | tuple[InputPart, ...]) -> Message:
    """Return what a person said as a message."""
    parts = (TextPart(text=content),) if isinstance(content, str) else content
    return Message(role="user", parts=parts)


class Usage(Record):
    """What was spent; sums with ``+``."""

    input_tokens: int = 0
    """All tokens of the prompt, cached ones too."""
    output_tokens: int = 0
    """All tokens that the model wrote, reasoning too."""
    reasoning_tokens: int = 0
    """The part of ``output_tokens`` that was reasoning, where the provider tells."""
    cached_tokens: int = 0
    """The part of ``input_tokens`` that the provider had cached."""
    cache_write_tokens: int = 0
    """The part of ``input_tokens`` that the provider put into its cache, where it charges for that."""
    cost_usd: float | None = None
    """US dollars; None where the price isn't known."""
    model_calls: int = 0
    tool_calls: int = 0

    @property
    def tokens(self) -> int:
        """Input and output together: what ``max_tokens`` limits."""
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
            model_calls=self.model_calls + other.model_calls,
            tool_calls=self.tool_calls + other.tool_calls,
        )
