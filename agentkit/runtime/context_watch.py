"""Decide when a transcript is shortened, from the tokens that responses report."""

from __future__ import annotations

from pydantic import Field

from agentkit.interfaces import ContextUse
from agentkit.records import Record

__all__ = ["ContextState", "ContextWatch"]


class ContextState(Record):
    """The state of a ``ContextWatch``, carried across continue-as-new."""

    due: ContextUse | None = Field(default=None, exclude_if=lambda use: use is None)
    """Tokens of the newest request and response, if they make a compaction due."""
    min_tokens: int = Field(default=0, exclude_if=lambda tokens: not tokens)
    """No compaction is due below this number of tokens."""
    is_compacted: bool = Field(default=False, exclude_if=lambda is_compacted: not is_compacted)
    """Whether no response has been observed since the newest compaction."""


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
        """The state to carry across continue-as-new; None if it is the initial one."""
        return None if self.state == ContextState() else self.state

    def observe(self, use: ContextUse | None) -> None:
        """Record the tokens of a request and its response; None: they are below the agent's share of the window."""
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
        """Record that a compaction failed: the next one is due when the transcript has grown."""
        if (use := self.state.due) is not None:
            self.state = ContextState(min_tokens=_next_try(use))


def _next_try(use: ContextUse) -> int:
    """Return the number of tokens at which a compaction is due again, after one that failed or left too many.

    Without it, each step would compact again.
    """
    remaining = (use.window - use.tokens) // 2
    return use.tokens + max(use.window // 50, min(use.window // 10, remaining))
