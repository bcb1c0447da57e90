"""What travels between the workflow and its activities."""

from __future__ import annotations

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, field_serializer

from agentkit.interfaces import ModelResponse
from agentkit.messages import Message
from agentkit.records import Record
from agentkit.transcript import Segment

__all__ = [
    "MODEL_ACTIVITY",
    "TOOL_PREFIX",
    "ModelCall",
    "ModelReply",
    "TranscriptPage",
    "TranscriptRange",
    "tool_activity",
]

MODEL_ACTIVITY = "ask_model"
TOOL_PREFIX = "tool."


def tool_activity(name: str) -> str:
    """Return the activity type that serves a tool."""
    return TOOL_PREFIX + name


class ModelCall(Record):
    """A question to a model: references and a delta, never the transcript."""

    task_id: str
    step: int
    agent: str
    """The hash of the agent's spec; the worker has it, or queries ``agent_spec``."""
    model: str
    """``provider:name``."""
    segments: tuple[Segment, ...]
    """The transcript so far, in order. Each message of it stands in history where it entered."""
    delta: tuple[Message, ...] = Field(default=(), exclude_if=lambda delta: not delta)
    """Messages after the segments that stand nowhere else in history: what the workflow itself says."""


class ModelReply(Record):
    """A model's answer. Its message enters the transcript here."""

    response: ModelResponse
    model: str
    """Which model answered."""

    @field_serializer("response", mode="wrap")
    def _without_zeros(self, response: ModelResponse, write: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        """Leave out of history what was not used: most kinds of tokens, in every step."""
        written: dict[str, JsonValue] = write(response)
        used = response.usage.model_dump(mode="json", exclude_defaults=True)
        return {**written, "usage": used}


class TranscriptRange(Record):
    """What to read of a transcript: the argument of the ``transcript`` query."""

    start: int = 0
    end: int | None = None
    """Position after the last message wanted; None is all there are."""
    max_bytes: int = 1_000_000
    """A page ends before it exceeds this, but holds one message at least."""


class TranscriptPage(Record):
    """A page of a transcript."""

    start: int
    messages: tuple[Message, ...]
    total: int
    """How many messages there are in all."""
