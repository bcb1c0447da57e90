"""What the model of a fork reads of the task that the fork goes on from: above all, which calls took effect there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from agentkit.messages import Message, ToolCall, ToolResult
from agentkit.runtime.effect_ledger import CallState, LedgerEntry

__all__ = ["fork_notice"]

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


def fork_notice(task_id: str, step: int, ledger: Iterable[LedgerEntry], later: Sequence[Message]) -> str:
    """Return the notice for a fork of a task after a step, as lines that the person's input follows.

    ``later`` are the task's messages after that step.
    """
    text = (
        f"This task is a fork: it goes on from task {task_id} after step {step}. "
        "What that task did after that step is not part of this conversation."
    )
    effects = [entry for entry in ledger if entry.step > step and entry.effect != "pure" and entry.state in _OUTCOMES]
    if not effects:
        return f"{text}\n"
    calls = {call.id: call for message in later for call in message.tool_calls}
    results = {part.call_id: part for message in later for part in message.parts if isinstance(part, ToolResult)}
    lines = [_line(entry, calls.get(entry.call_id), results.get(entry.call_id)) for entry in effects[-_MAX_CALLS:]]
    omitted = len(effects) - len(lines)
    if omitted:
        lines.insert(0, f"- ({omitted} earlier calls are left out here)")
    return "\n".join(
        [f"{text} It made these calls, whose effects remain; don't repeat those that are done:", *lines, ""]
    )


def _line(entry: LedgerEntry, call: ToolCall | None, result: ToolResult | None) -> str:
    arguments = "" if call is None else f" {_shortened(json.dumps(call.arguments, ensure_ascii=False))}"
    content = "" if result is None else f". Result: {_shortened(result.content)}"
    return f"- {entry.tool}{arguments}: {_OUTCOMES[entry.state]}{content}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_VALUE_CHARS else line[: _MAX_VALUE_CHARS - 1] + "…"
