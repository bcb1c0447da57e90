"""The calls of a task whose effects remain though a transcript ends before them, as lines for a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from agentkit.messages import Message, ToolCall, ToolResult
from agentkit.runtime.calls.effect_ledger import CallState, LedgerEntry

__all__ = ["may_have_taken_effect", "remaining_effects"]

_MAX_CALLS = 100
_MAX_VALUE_CHARS = 500
"""Of the arguments and of the result of one call."""

_OUTCOMES: Mapping[CallState, str] = {
    "done": "done",
    "failed": "failed, and may have taken effect in part",
    "started": "in progress there, so it may take effect",
    "unknown": "cut off, so it may have taken effect",
}
"""The states of calls that may have taken effect."""


def may_have_taken_effect(entry: LedgerEntry) -> bool:
    """Return whether a call may have changed something."""
    return entry.effect != "pure" and entry.state in _OUTCOMES


def remaining_effects(ledger: Iterable[LedgerEntry], step: int, later: Sequence[Message]) -> list[str]:
    """Return a line for each call after a step that may have taken effect; the oldest are left out of very many.

    ``later`` are the task's messages after that step.
    """
    effects = [entry for entry in ledger if entry.step > step and may_have_taken_effect(entry)]
    calls = {call.id: call for message in later for call in message.tool_calls}
    results = {part.call_id: part for message in later for part in message.parts if isinstance(part, ToolResult)}
    lines = [_line(entry, calls.get(entry.call_id), results.get(entry.call_id)) for entry in effects[-_MAX_CALLS:]]
    omitted = len(effects) - len(lines)
    return [f"- ({omitted} earlier calls are left out here)", *lines] if omitted else lines


def _line(entry: LedgerEntry, call: ToolCall | None, result: ToolResult | None) -> str:
    arguments = "" if call is None else f" {_shortened(json.dumps(call.arguments, ensure_ascii=False))}"
    content = "" if result is None else f". Result: {_shortened(result.content)}"
    return f"- {entry.tool}{arguments}: {_OUTCOMES[entry.state]}{content}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_VALUE_CHARS else line[: _MAX_VALUE_CHARS - 1] + "…"
