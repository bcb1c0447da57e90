"""Facts that outlive the messages that they stand in: the irreversible calls of a task, a line each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from agentkit.messages import ToolCall, ToolResult

__all__ = ["call_fact", "call_text", "merge_facts"]

_MAX_ARGUMENT_CHARS = 400
_MAX_RESULT_CHARS = 200


def call_text(call: ToolCall) -> str:
    """Return the name and arguments of a call, as each fact about it begins."""
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return f"{call.name} {_shortened(arguments, _MAX_ARGUMENT_CHARS)}"


def call_fact(call: ToolCall, result: ToolResult, at: datetime | None = None) -> str:
    """Return the fact that a call was made: one line with its arguments and result, and with its time if given."""
    time = "" if at is None else f" at {at.replace(microsecond=0).isoformat()}"
    outcome = "failed" if result.is_error else "was done"
    return f"{call_text(call)} {outcome}{time}: {_shortened(result.content, _MAX_RESULT_CHARS)}"


def merge_facts(*sources: Sequence[str]) -> tuple[str, ...]:
    """Return the lines of all sources in order, each once."""
    return tuple(dict.fromkeys(line for source in sources for line in source))


def _shortened(text: str, limit: int) -> str:
    """Return the text in one line of at most ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
