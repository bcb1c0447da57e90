"""Tokens of a transcript before and after compaction: estimates, scaled by the provider's count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentkit.interfaces import CompactionRequest
from agentkit.messages import Message
from agentkit.runtime.context_share import compaction_settings, context_window
from agentkit.token_estimates import message_tokens, request_tokens

__all__ = ["CompactionBudget", "SpaceGoals"]

_MIN_SCALE, _MAX_SCALE = 0.25, 8.0
"""Limits of ``CompactionBudget.scale``; a count further from the estimate included something else."""

_MAX_SUMMARY_TOKENS = 2_000
_MIN_SUMMARY_TOKENS = 120
"""Bounds of ``SpaceGoals.summary``, in estimated tokens."""


@dataclass(frozen=True, slots=True)
class SpaceGoals:
    """Numbers of tokens that a compaction aims at; those of the messages that can't be shortened are included."""

    enough: int
    """No more is shortened once the messages take at most this."""
    target: int
    """The aim where a summary is written: less than ``enough``, so that the next compaction is many steps away."""
    summary: int
    """The most tokens of the summary."""


@dataclass(frozen=True, slots=True)
class CompactionBudget:
    """The tokens of a model request, and the limits for its transcript. All in the provider's tokens, by ``scale``."""

    scale: float
    """The provider's tokens per estimated token."""
    fixed: int
    """Tokens of instructions and tools."""
    before: int
    """Tokens of the whole request before compaction."""
    limit: int
    """The request must be below this: the context window or, if that is unknown, ``before``."""
    threshold: int
    """The tokens of a request at which its transcript is shortened: the agent's share of ``limit``."""
    is_window_known: bool

    @classmethod
    def of(cls, messages: Sequence[Message], request: CompactionRequest) -> CompactionBudget:
        """Return the budget of a transcript. A request that was refused as too long counts as at least the window."""
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
        """Return the goals for all messages; those that can't be shortened take ``immutable`` tokens."""
        space = self.threshold - self.fixed - immutable
        if space <= 0:
            space = max(0, (self.limit - self.fixed - immutable) // 2)
        summary = round(min(max(space * 0.15, _MIN_SUMMARY_TOKENS * self.scale), _MAX_SUMMARY_TOKENS * self.scale))
        return SpaceGoals(enough=immutable + round(space * 0.6), target=immutable + round(space * 0.4), summary=summary)
