"""When a transcript is shortened because it takes its share of the model's context window."""

from __future__ import annotations

from pydantic import Field

from agentkit.interfaces import ContextUse
from agentkit.records import Record

__all__ = ["ContextState", "ContextWatch"]


class ContextState(Record):
    """What a ``ContextWatch`` knows, across continue-as-new."""

    due: ContextUse | None = Field(default=None, exclude_if=lambda use: use is None)
    """How much of the window the newest request and its response took, where that makes a compaction due."""
    min_tokens: int = Field(default=0, exclude_if=lambda tokens: not tokens)
    """With fewer tokens no compaction is due."""
    is_compacted: bool = Field(default=False, exclude_if=lambda is_compacted: not is_compacted)
    """Whether no request was made since the newest compaction."""


class ContextWatch:
    """Decides whether a compaction is due, from what each response reports."""

    def __init__(self, state: ContextState | None = None) -> None:
        self.state = state or ContextState()

    @property
    def is_due(self) -> bool:
        """Whether the transcript is to be shortened before the next step."""
        return self.state.due is not None

    @property
    def carried(self) -> ContextState | None:
        """What survives continue-as-new; None where nothing is to."""
        return None if self.state == ContextState() else self.state

    def observe(self, use: ContextUse | None) -> None:
        """Take what a request and its response took of the window; None: less than the agent's share of it."""
        state = self.state
        if use is None:
            self.state = ContextState(min_tokens=state.min_tokens)
        elif state.is_compacted:
            self.state = ContextState(min_tokens=_next_try(use))
        else:
            self.state = ContextState(due=use if use.tokens >= state.min_tokens else None, min_tokens=state.min_tokens)

    def compacted(self) -> None:
        """Record that the transcript was shortened."""
        self.state = ContextState(is_compacted=True)

    def failed(self) -> None:
        """Record that the transcript could not be shortened now."""
        if (use := self.state.due) is not None:
            self.state = ContextState(min_tokens=_next_try(use))


def _next_try(use: ContextUse) -> int:
    """Return the tokens with which the next compaction is due after one that failed, or left too much.

    Each step would try again otherwise.
    """
    remaining = (use.window - use.tokens) // 2
    return use.tokens + max(use.window // 50, min(use.window // 10, remaining))
