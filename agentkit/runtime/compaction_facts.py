"""Facts about tool calls, one line each, that a summary keeps when it replaces the messages of the calls."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from agentkit.messages import ToolCall, ToolResult
from agentkit.token_estimates import text_tokens

__all__ = ["bounded_facts", "call_fact", "call_text", "shortened_line"]

_MAX_ARGUMENT_CHARS = 400
_MAX_RESULT_CHARS = 200
_COUNTED = re.compile(r"(\S+) at least ([\d,]+) times")
_COUNTED_END = " before that"


def call_text(call: ToolCall) -> str:
    """Return the name and arguments of a call; each fact about it starts with them."""
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return f"{call.name} {shortened_line(arguments, _MAX_ARGUMENT_CHARS)}"


def call_fact(call: ToolCall, result: ToolResult, at: datetime | None = None) -> str:
    """Return the fact that a call was made: its arguments, result and, if given, time in one line."""
    time = "" if at is None else f" at {at.replace(microsecond=0).isoformat()}"
    outcome = "failed" if result.is_error else "was done"
    return f"{call_text(call)} {outcome}{time}: {shortened_line(result.content, _MAX_RESULT_CHARS)}"


def bounded_facts(facts: Sequence[str], known: Collection[str], max_tokens: int) -> tuple[str, ...]:
    """Return the newest facts that fit ``max_tokens``, after one line that counts the older ones by tool.

    The first fact may be such a line from an earlier summary, which may have counted some of the ``known`` facts.
    """
    size = 0
    for count, line in enumerate(reversed(facts)):
        size += text_tokens(line) + 1
        if size > max_tokens:
            first = len(facts) - count
            return (_counted(facts[:first], known), *facts[first:])
    return tuple(facts)


def _counted(facts: Sequence[str], known: Collection[str]) -> str:
    former, again, others = Counter[str](), Counter[str](), Counter[str]()
    for line in facts:
        if line.endswith(_COUNTED_END):
            former.update({name: int(number.replace(",", "")) for name, number in _COUNTED.findall(line)})
        else:
            (again if line in known else others)[line.partition(" ")[0]] += 1
    total = (former | again) + others
    return ", ".join(f"{name} at least {number:,} times" for name, number in total.items()) + _COUNTED_END


def shortened_line(text: str, limit: int) -> str:
    """Return the text as one line of at most ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
