"""Tool results as the model reads them: bounded text."""

from __future__ import annotations

import json

from pydantic import JsonValue

from agentkit.json_text import MAX_JSON_DEPTH, is_deeper_than
from agentkit.messages import ToolCall, ToolResult

__all__ = ["MAX_RESULT_CHARS", "bounded", "bounded_value", "error_result", "result_text", "tool_result"]

MAX_RESULT_CHARS = 32_768
"""Characters of one result that a model reads; about 8,000 tokens."""

_TAIL_CHARS = 4_096


def bounded(text: str, limit: int = MAX_RESULT_CHARS) -> str:
    """Return ``text``, or its start and end with a note between them: about ``limit`` characters."""
    if len(text) <= limit:
        return text
    tail = min(_TAIL_CHARS, limit // 4)
    head = limit - tail - 256
    note = (
        f"\n[... {len(text) - head - tail:,} of {len(text):,} characters left out here. "
        "Call the tool again for less at a time: a narrower query, a page or a range. ...]\n"
    )
    return text[:head] + note + text[-tail:]


def result_text(value: JsonValue) -> str:
    """Return a tool's value as text: strings as they are, anything else as JSON; bounded."""
    return bounded(_text(value))


def bounded_value(value: JsonValue) -> JsonValue:
    """Return the value itself where it can be stored and its text is short enough for the model, else bounded text."""
    text = _text(value)
    is_kept = len(text) <= MAX_RESULT_CHARS and not is_deeper_than(value, MAX_JSON_DEPTH)
    return value if is_kept else bounded(text)


def tool_result(call: ToolCall, value: JsonValue) -> ToolResult:
    """Return the result of a successful call."""
    return ToolResult(call_id=call.id, name=call.name, content=result_text(value))


def error_result(call: ToolCall, message: str) -> ToolResult:
    """Return the result of a failed call; ``message`` is written for the model."""
    return ToolResult(call_id=call.id, name=call.name, content=bounded(message), is_error=True)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
