"""Parse the input of a task for the ``demo`` model.

Each line is one response: ``call NAME {json}`` (several joined by `` & ``), ``say TEXT``, or any other text, which is
an echo. ``think N`` and ``fail CODE [xN]`` modify the response that follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agentkit.llm.shared.tool_arguments import parse_object_at
from agentkit.messages import ToolCall

__all__ = ["DemoFailure", "DemoResponse", "DemoScript", "parse_script"]

_THINK_LINE = re.compile(r"think\s+(\d{1,9})")
_FAIL_LINE = re.compile(r"fail\s+([45]\d\d)(?:\s+x(\d{1,9}))?")
_TEXT_LINE = re.compile(r"say\s+(.+)")
_CALL_LINE = re.compile(r"call\s+(\S.*)")
_CALL_NAME = re.compile(r"(?:call\s+)?([^\s{]*)\s*")
_CALL_SEPARATOR = re.compile(r"(?<!\s)\s+&\s+")
"""Looked for at the beginning of white space only: from each character of it, it would take quadratic time."""
_MAX_CALLS = 1_000
"""Calls of one line; what follows is left out."""
_MAX_LINES = 20_000
"""Lines that are read, at each step; what follows is left out."""


@dataclass(frozen=True, slots=True)
class DemoFailure:
    """``fail CODE [xN]``."""

    status: int
    attempts: int | None = None
    """Number of attempts that fail, from the first; None: all of them."""


@dataclass(frozen=True, slots=True)
class DemoResponse:
    """One response: tool calls, a text, or (with neither) an echo."""

    calls: Sequence[ToolCall] = ()
    """Their ids are empty."""
    text: str | None = None
    thinking_ms: int = 0
    """Milliseconds of thinking before the response."""
    failures: Sequence[DemoFailure] = ()

    def failure(self, attempt: int) -> DemoFailure | None:
        """Return the failure of this attempt, counted from 1, or None."""
        return next((fail for fail in self.failures if fail.attempts is None or attempt <= fail.attempts), None)


@dataclass(frozen=True, slots=True)
class DemoScript:
    """All responses of an input."""

    responses: Sequence[DemoResponse]
    """The last one is an echo, which is repeated after the others."""
    other_text: str
    """The lines that are no commands."""
    lines: Sequence[str] = ()
    """The lines that are responses: a plan, where one is asked for."""

    def response(self, index: int) -> DemoResponse:
        """Return the response at ``index``, counted from 0."""
        return self.responses[min(index, len(self.responses) - 1)]


def parse_script(text: str) -> DemoScript:
    """Parse a task's input; every text is a valid script."""
    responses: list[DemoResponse] = []
    lines: list[str] = []
    other_lines: list[str] = []
    pending = DemoResponse()
    for line in filter(None, (line.strip() for line in text.splitlines()[:_MAX_LINES])):
        if modified := _apply_modifier(pending, line):
            pending = modified
            continue
        response = _apply_command(pending, line)
        if response is None:
            response = pending
            other_lines.append(line)
        responses.append(response)
        lines.append(line)
        pending = DemoResponse()
    return DemoScript((*responses, pending), "\n".join(other_lines), lines)


def _apply_modifier(pending: DemoResponse, line: str) -> DemoResponse | None:
    """Return ``pending`` changed by a ``think`` or ``fail`` line; None for other lines."""
    if match := _THINK_LINE.fullmatch(line):
        return replace(pending, thinking_ms=pending.thinking_ms + int(match[1]))
    if match := _FAIL_LINE.fullmatch(line):
        failure = DemoFailure(int(match[1]), int(match[2]) if match[2] else None)
        return replace(pending, failures=(*pending.failures, failure))
    return None


def _apply_command(pending: DemoResponse, line: str) -> DemoResponse | None:
    """Return ``pending`` completed by a line with a text or with calls; None for other lines."""
    if match := _TEXT_LINE.fullmatch(line):
        return replace(pending, text=match[1])
    if match := _CALL_LINE.fullmatch(line):
        return replace(pending, calls=_parse_calls(match[1]))
    return None


def _parse_calls(text: str) -> tuple[ToolCall, ...]:
    calls: list[ToolCall] = []
    position = 0
    while position < len(text) and len(calls) < _MAX_CALLS and (match := _CALL_NAME.match(text, position)):
        call, position = _parse_arguments(match[1], text, match.end())
        calls.append(call)
    return tuple(calls)


def _parse_arguments(name: str, text: str, start: int) -> tuple[ToolCall, int]:
    """Return the call whose arguments begin at ``start``, and the position of the next call."""
    if start == len(text) or text.startswith("& ", start):
        return ToolCall(id="", name=name), start + 2
    arguments, end = parse_object_at(text, start)
    separator = _CALL_SEPARATOR.search(text, end)
    stop, next_start = separator.span() if separator else (len(text), len(text))
    if arguments is not None and stop == end:
        return ToolCall(id="", name=name, arguments=arguments), next_start
    return ToolCall(id="", name=name, malformed=text[start:stop]), next_start
