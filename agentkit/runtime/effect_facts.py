"""The line that a workflow keeps for each irreversible call, so that compaction doesn't lose its outcome."""

from __future__ import annotations

from collections.abc import Mapping

from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.effect_ledger import CallState, LedgerEntry
from agentkit.runtime.compaction_facts import call_text, shortened_line

__all__ = ["MAX_EFFECT_FACTS", "effect_fact"]

MAX_EFFECT_FACTS = 200
"""A task keeps this many facts, the newest."""

_MAX_RESULT_CHARS = 300

_OUTCOMES: Mapping[CallState, str] = {
    "done": "was done",
    "failed": "failed, and may have taken effect in part,",
    "unknown": "was cut off, and may have taken effect,",
}
"""The text for each state in which a call may have taken effect."""


def effect_fact(entry: LedgerEntry | None, call: ToolCall, result: ToolResult) -> str | None:
    """Return the fact about an irreversible call; None if it certainly had no effect, or isn't irreversible."""
    if entry is None or entry.effect != "irreversible" or (outcome := _OUTCOMES.get(entry.state)) is None:
        return None
    at = (entry.ended_at or entry.proposed_at).isoformat(timespec="seconds")
    return f"{call_text(call)} {outcome} at {at}: {shortened_line(result.content, _MAX_RESULT_CHARS)}"
