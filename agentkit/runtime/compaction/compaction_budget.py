"""How many tokens a transcript may take after compaction: estimates, scaled by what the provider counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentkit.interfaces import CompactionRequest
from agentkit.messages import Message
from agentkit.runtime.context_share import compaction_settings, context_window
from agentkit.token_estimates import message_tokens, request_tokens

__all__ = ["CompactionBudget", "SpaceGoals"]

_MIN_SCALE, _MAX_SCALE = 0.25, 8.0
"""How far a provider's count may be from an estimate; further away it counted something else."""

_MAX_SUMMARY_TOKENS = 2_000
_MIN_SUMMARY_TOKENS = 120
"""Estimated tokens."""


@dataclass(frozen=True, slots=True)
class SpaceGoals:
    """How many tokens messages may take, beside those that can't be shortened."""

    enough: int
    """Nothing more is shortened at so many tokens."""
    target: int
    """So many are left where a summary is written, so that the next one is far."""
    summary: int
    """The most that a summary may take."""


@dataclass(frozen=True, slots=True)
class CompactionBudget:
    """The tokens of a transcript, and those that it may take."""

    scale: float
    """The provider's tokens for each estimated one."""
    fixed: int
    """Of instructions and tools."""
    before: int
    """Of the whole request."""
    limit: int
    """What the request must be below: the context window, or what was refused as too long where that is not known."""
    threshold: int
    """At so many tokens of the request the transcript is shortened again."""
    is_window_known: bool

    @classmethod
    def of(cls, messages: Sequence[Message], request: CompactionRequest) -> CompactionBudget:
        """Return the budget of a transcript; what a provider refused as too long counts as at least its window."""
        agent, context = request.agent, request.context
        window = context.window if context else context_window(agent, request.model)
        estimate = request_tokens(agent.instructions, messages, agent.tools)
        scale = 1.0
        if context is not None:
            # It counted the messages up to its own response, not the tool results behind it.
            last = max((i for i, message in enumerate(messages, 1) if message.role == "assistant"), default=0)
            counted = request_tokens(agent.instructions, messages[:last], agent.tools)
            scale = min(max(context.tokens / max(1, counted), _MIN_SCALE), _MAX_SCALE)
        if request.reason == "too_long" and window is not None:
            scale = max(scale, window / max(1, estimate))
        before = round(estimate * scale)
        limit = before if window is None else window
        return cls(
            scale=scale,
            fixed=round(request_tokens(agent.instructions, (), agent.tools) * scale),
            before=before,
            limit=limit,
            threshold=round(limit * compaction_settings(agent).at),
            is_window_known=window is not None,
        )

    def tokens(self, messages: Iterable[Message]) -> int:
        """Return the tokens of these messages."""
        return round(message_tokens(messages) * self.scale)

    def goals(self, immutable: int) -> SpaceGoals:
        """Return the goals for all messages, of which those that stay as they are take ``immutable`` tokens."""
        space = self.threshold - self.fixed - immutable
        if space <= 0:
            space = max(0, (self.limit - self.fixed - immutable) // 2)
        summary = round(min(max(space * 0.15, _MIN_SUMMARY_TOKENS * self.scale), _MAX_SUMMARY_TOKENS * self.scale))
        return SpaceGoals(enough=immutable + round(space * 0.6), target=immutable + round(space * 0.4), summary=summary)
