"""The lines that the ``demo`` model is driven by, parsed.

Each line is one response: ``call NAME {json}`` (several joined by `` & ``), ``say TEXT``, or any other text, which
stands for an echo. ``think N`` and ``fail CODE [xN]`` modify the response that follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agentkit.llm.shared.tool_arguments import parse_object_at
from agentkit.messages import ToolCall

__all__ = ["Failure", "Response", "Script", "parse_script"]

_THINK = re.compile(r"think\s+(\d{1,9})")
_FAIL = re.compile(r"fail\s+([45]\d\d)(?:\s+x(\d{1,9}))?")
_SAY = re.compile(r"say\s+(.+)")
_CALL = re.compile(r"call\s+(\S.*)")
_NAME = re.compile(r"(?:call\s+)?([^\s{]*)\s*")
_JOIN = re.compile(r"\s+&\s+")


@dataclass(frozen=True, slots=True)
class Failure:
    """``fail CODE [xN]``."""

    status: int
    attempts: int | None = None
    """Only the first so many attempts fail; None: all of them."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response: tool calls, or a text, or (neither) an echo."""

    calls: Sequence[ToolCall] = ()
    """Their ids are empty."""
    text: str | None = None
    thinks: int = 0
    """Milliseconds."""
    failures: Sequence[Failure] = ()

    def failure(self, attempt: int) -> Failure | None:
        """Return how this attempt (from 1) fails, or None."""
        return next((one for one in self.failures if one.attempts is None or attempt <= one.attempts), None)


@dataclass(frozen=True, slots=True)
class Script:
    """All responses of an input."""

    responses: Sequence[Response]
    """The last one is an echo: it is given again when the others are used up."""
    other_text: str
    """The lines that are no command."""

    def response(self, place: int) -> Response:
        """Return the response at ``place``, from 0."""
        return self.responses[min(place, len(self.responses) - 1)]


def parse_script(text: str) -> Script:
    """Parse a task's input; any text is a script."""
    responses: list[Response] = []
    other: list[str] = []
    pending = Response()
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if modified := _modified(pending, line):
            pending = modified
            continue
        response = _command(pending, line)
        if response is None:
            response = pending
            other.append(line)
        responses.append(response)
        pending = Response()
    return Script((*responses, pending), "\n".join(other))


def _modified(pending: Response, line: str) -> Response | None:
    if found := _THINK.fullmatch(line):
        return replace(pending, thinks=pending.thinks + int(found[1]))
    if found := _FAIL.fullmatch(line):
        failure = Failure(int(found[1]), int(found[2]) if found[2] else None)
        return replace(pending, failures=(*pending.failures, failure))
    return None


def _command(pending: Response, line: str) -> Response | None:
    if found := _SAY.fullmatch(line):
        return replace(pending, text=found[1])
    if found := _CALL.fullmatch(line):
        return replace(pending, calls=_calls(found[1]))
    return None


def _calls(text: str) -> tuple[ToolCall, ...]:
    calls: list[ToolCall] = []
    position = 0
    while position < len(text) and (found := _NAME.match(text, position)):
        call, position = _arguments(found[1], text, found.end())
        calls.append(call)
    return tuple(calls)


def _arguments(name: str, text: str, start: int) -> tuple[ToolCall, int]:
    """Return the call whose arguments begin at ``start``, and where the next one begins."""
    if start == len(text) or text.startswith("& ", start):
        return ToolCall(id="", name=name), start + 2
    arguments, end = parse_object_at(text, start)
    join = _JOIN.search(text, end)
    stop, following = join.span() if join else (len(text), len(text))
    if arguments is not None and stop == end:
        return ToolCall(id="", name=name, arguments=arguments), following
    return ToolCall(id="", name=name, malformed=text[start:stop]), following
