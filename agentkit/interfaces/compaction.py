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
"""``share``: the transcript takes the share of the window that the agent's ``compaction.at`` gives. ``too_long``: the
model refused a request as too long."""


class ContextUse(Record):
    """How much of a model's context window a request and its response took."""

    tokens: int
    """Input and output tokens, as the provider counted them."""
    window: int
    """The context window, in tokens."""


class CompactionRequest(Record):
    """What a transcript is shortened for."""

    agent: AgentSpec
    model: str
    """The model that reads the transcript: ``provider:name``."""
    reason: CompactionReason
    attempt: int = 1
    """How many compactions in a row were made for the same request to the model, this one included: each must leave
    less than the one before."""
    context: ContextUse | None = Field(default=None, exclude_if=lambda context: context is None)
    """What the newest response said of the transcript's tokens; None: unknown, so that they are estimated."""
    facts: tuple[str, ...] = ()
    """What must not be lost, such as irreversible calls of the effect ledger: a line each."""


class CompactedMessages(Record):
    """A shorter transcript in place of the old one."""

    messages: tuple[Message, ...]
    """All of the new transcript, in order; tool calls and their results are paired. The same messages as before where
    nothing can be shortened."""
    tokens_before: int
    """Estimated, with the agent's instructions and tools."""
    tokens_after: int
    usage: Usage = Usage()
    """Of the models that wrote summaries."""


class Compactor(Protocol):
    """Shortens transcripts."""

    async def compact(self, messages: Sequence[Message], request: CompactionRequest) -> CompactedMessages:
        """Return a shorter transcript that says what the old one did.

        Raises:
            MessageTooLong: what must stay doesn't fit the window; the message has the numbers.
            ModelError: no summary could be written.
        """
        ...
