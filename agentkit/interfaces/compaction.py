"""The Protocol of compaction: shortening a transcript that no longer fits the model's context window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import Field

from agentkit.messages import Message, Usage
from agentkit.records import Record
from agentkit.specs import AgentSpec

__all__ = ["CompactedMessages", "CompactionReason", "CompactionRequest", "Compactor", "ContextUse"]

CompactionReason = Literal["share", "too_long"]
"""``share``: the transcript has reached the share of the context window that the agent's ``compaction.at`` sets.
``too_long``: the model refused a request as too long."""


class ContextUse(Record):
    """How much of a model's context window a request and its response took."""

    tokens: int
    """Input and output tokens, as the provider counted them."""
    window: int
    """The context window, in tokens."""


class CompactionRequest(Record):
    """Why and for which model a transcript is shortened."""

    agent: AgentSpec
    model: str
    """The model that reads the transcript: ``provider:name``."""
    reason: CompactionReason
    attempt: int = 1
    """Number of this compaction among those for the same model request, from 1. Each must leave fewer tokens than the
    one before."""
    context: ContextUse | None = Field(default=None, exclude_if=lambda context: context is None)
    """Tokens as the newest response reported them; None: unknown, so that they are estimated."""
    facts: tuple[str, ...] = ()
    """What must not be lost, such as irreversible calls of the effect ledger, one line each."""


class CompactedMessages(Record):
    """The transcript after a compaction."""

    messages: tuple[Message, ...]
    """The complete new transcript, in order; no tool call is without its result. The old messages if nothing can be
    shortened."""
    tokens_before: int
    """Estimated, including the agent's instructions and tools."""
    tokens_after: int
    """As ``tokens_before``."""
    usage: Usage = Usage()
    """Usage of the models that wrote summaries."""


class Compactor(Protocol):
    """Shortens transcripts."""

    async def compact(self, messages: Sequence[Message], request: CompactionRequest) -> CompactedMessages:
        """Return a shorter transcript with the essential content of the old one.

        Raises:
            MessageTooLong: the messages that must be kept exceed the window; the error has the numbers.
            ModelError: no summary could be written.
        """
        ...
