"""Turn what a tool came to into what a model reads: bounded text that says what to do next."""

from __future__ import annotations

import json

from pydantic import JsonValue

from agentkit.messages import ToolCall, ToolResult

__all__ = ["MAX_RESULT_CHARS", "bounded", "bounded_value", "error_result", "result_text", "tool_result"]

MAX_RESULT_CHARS = 32_768
"""What a model sees of one result; about 8,000 tokens."""

_TAIL_CHARS = 4_096


def bounded(text: str, limit: int = MAX_RESULT_CHARS) -> str:
    """Return ``text``, or its beginning and end with a note between, so that it has about ``limit`` characters."""
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
    """Return text as it is, anything else as JSON; bounded."""
    return bounded(_text(value))


def bounded_value(value: JsonValue) -> JsonValue:
    """Return the value where a model sees the whole of it, else the text that it sees."""
    text = _text(value)
    return value if len(text) <= MAX_RESULT_CHARS else bounded(text)


def tool_result(call: ToolCall, value: JsonValue) -> ToolResult:
    """Return what the model reads of a call that worked."""
    return ToolResult(call_id=call.id, name=call.name, content=result_text(value))


def error_result(call: ToolCall, message: str) -> ToolResult:
    """Return what the model reads of a call that failed."""
    return ToolResult(call_id=call.id, name=call.name, content=bounded(message), is_error=True)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
