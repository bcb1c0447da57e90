"""Tool results as the model reads them: bounded text."""

from __future__ import annotations

import json

from pydantic import JsonValue

from agentkit.interfaces import READ_RESULT, OmittedText, ToolOutput, ToolValue
from agentkit.json_text import MAX_JSON_DEPTH, is_deeper_than
from agentkit.messages import MAX_SHOWN_BYTES, StoredContent, ToolCall, ToolResult
from agentkit.specs import AgentSpec

__all__ = [
    "MAX_RESULT_CHARS",
    "bounded",
    "encoded_text",
    "error_result",
    "result_text",
    "shown_value",
    "tool_result",
    "value_text",
]

MAX_RESULT_CHARS = 32_768
"""Characters of one result that a model reads; about 8,000 tokens."""

_TAIL_CHARS = 4_096
_NOTE_CHARS = 256
"""About the most characters of the note between start and end."""
_ASK_FOR_LESS = "Call the tool again for less at a time: a narrower query, a page or a range."


def bounded(text: str, limit: int = MAX_RESULT_CHARS) -> str:
    """Return ``text``, or its start and end with a note between them: about ``limit`` characters."""
    if len(text) <= limit:
        return text
    head, tail = _kept_chars(limit)
    note = f"\n[... {len(text) - head - tail:,} of {len(text):,} characters left out here. {_ASK_FOR_LESS} ...]\n"
    return text[:head] + note + text[-tail:]


def value_text(value: JsonValue) -> str:
    """Return a tool's value as text: strings as they are, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def encoded_text(text: str) -> bytes:
    """Return the text in UTF-8, with question marks for lone surrogates, which it can't express."""
    return text.encode(errors="replace")


def result_text(value: JsonValue) -> str:
    """Return a tool's value as text that is bounded."""
    return bounded(value_text(value))


def shown_value(value: JsonValue) -> tuple[JsonValue, OmittedText | None, str]:
    """Return what a model is shown of a value, what that leaves out, and all of the value's text.

    Shown is the value itself; where it is nested too deeply to be stored, its text; where that is too long, the text's
    start and end.
    """
    text = value_text(value)
    if len(text) <= MAX_RESULT_CHARS:
        return text if is_deeper_than(value, MAX_JSON_DEPTH) else value, None, text
    head, tail = _kept_chars(MAX_RESULT_CHARS)
    size = len(text) if text.isascii() else len(encoded_text(text))
    start, end = len(encoded_text(text[:head])), size - len(encoded_text(text[-tail:]))
    return text[:head] + text[-tail:], OmittedText(position=head, start=start, end=end, size=size), text


def tool_result(call: ToolCall, output: ToolValue, agent: AgentSpec | None = None) -> ToolResult:
    """Return the result of a successful call of a model of ``agent``."""
    if not isinstance(output, ToolOutput):
        return ToolResult(call_id=call.id, name=call.name, content=result_text(output))
    can_read = agent is not None and agent.tool(READ_RESULT) is not None
    texts = [] if output.value is None and output.files else [_noted_text(output, call, can_read=can_read)]
    reader = call if can_read else None
    texts += [_file_note(number, file, reader) for number, file in enumerate(output.files or (), 1)]
    return ToolResult(call_id=call.id, name=call.name, content="\n".join(texts), whole=output.whole, files=output.files)


def error_result(call: ToolCall, message: str) -> ToolResult:
    """Return the result of a failed call; ``message`` is written for the model."""
    return ToolResult(call_id=call.id, name=call.name, content=bounded(message), is_error=True)


def _kept_chars(limit: int) -> tuple[int, int]:
    """Return how many characters are kept of the start and of the end."""
    tail = min(_TAIL_CHARS, limit // 4)
    return limit - tail - _NOTE_CHARS, tail


def _noted_text(output: ToolOutput, call: ToolCall, *, can_read: bool) -> str:
    text, omitted = value_text(output.value), output.omitted
    if omitted is None:
        return bounded(text)
    if output.whole is None:
        hint = f"They are not kept ({output.loss or 'there is no place for them'}). {_ASK_FOR_LESS}"
    elif can_read:
        hint = (
            f"They are kept: to read on, call {READ_RESULT} with call_id={json.dumps(call.id)} and "
            f'start={omitted.start}; to find a place in them, with search="TEXT".'
        )
    else:
        hint = _ASK_FOR_LESS
    count = f"{omitted.end - omitted.start:,} of {omitted.size:,} bytes"
    return f"{text[: omitted.position]}\n[... {count} left out here. {hint} ...]\n{text[omitted.position :]}"


def _file_note(number: int, file: StoredContent, reader: ToolCall | None) -> str:
    name = f"{file.name}, " if file.name else ""
    state = ""
    if file.claim is None and file.data is None:
        state = ", not kept"
    elif file.media_type.startswith("image/") and not file.is_shown:
        state = ", not shown: models see PNG, JPEG, GIF and WebP images up to " + f"{MAX_SHOWN_BYTES / 1e6:g} MB"
    elif file.is_text and reader is not None:
        state = f"; to read it, call {READ_RESULT} with call_id={json.dumps(reader.id)} and file={number}"
    return f"[File {number}: {name}{file.media_type}, {file.size:,} bytes{state}]"
