"""Facts that compaction must not lose: what became of the irreversible calls of a task, a line each."""

from __future__ import annotations

from collections.abc import Mapping

from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.effect_ledger import CallState, LedgerEntry
from agentkit.runtime.compaction_facts import call_text

__all__ = ["MAX_FACTS", "effect_fact"]

MAX_FACTS = 200
"""The newest so many are kept."""

_MAX_RESULT_CHARS = 300

_OUTCOMES: Mapping[CallState, str] = {
    "done": "was done",
    "failed": "failed, and may have taken effect in part,",
    "unknown": "was cut off, and may have taken effect,",
}
"""The states of calls that may have taken effect."""


def effect_fact(entry: LedgerEntry | None, call: ToolCall, result: ToolResult) -> str | None:
    """Return what became of an irreversible call; None where it had no effect for certain, or is of another kind."""
    if entry is None or entry.effect != "irreversible" or (outcome := _OUTCOMES.get(entry.state)) is None:
        return None
    at = (entry.ended_at or entry.proposed_at).isoformat(timespec="seconds")
    content = " ".join(result.content.split())
    shortened = content if len(content) <= _MAX_RESULT_CHARS else content[: _MAX_RESULT_CHARS - 1] + "…"
    return f"{call_text(call)} {outcome} at {at}: {shortened}"
