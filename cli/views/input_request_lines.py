"""An input request as lines of text for the person who answers it: the whole call, and the commands to type."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator

from pydantic import JsonValue
from rich.text import Text

from agentkit.input_requests import InputRequest
from cli.views.answer_commands import AnswerCommands
from cli.views.console import one_line, printable
from cli.views.schema_lines import argument_lines

__all__ = ["asks_about_call", "heading_line", "input_request_lines", "request_lines"]

_MAX_MESSAGE_CHARS = 500
_MAX_ARGUMENTS_CHARS = 4_000
"""Longer arguments are not shown in part: a person must not approve what is cut off."""
_MAX_LINE_CHARS = 160
"""Longer arguments take a line each, where all of them are shown."""
_INDENT = " " * 5
_EXPIRY = {"approve": "approved then", "deny": "denied then", "fail": "the task fails then"}


def input_request_lines(
    request: InputRequest, task_id: str, commands: AnswerCommands, *, whole: bool = False
) -> Iterator[Text]:
    """Yield the lines of an open request; those with ``no_wrap`` are commands to copy.

    Long arguments are left out, with the commands that show them, unless ``whole``.
    """
    yield heading_line(request)
    if asks_about_call(request) and not whole and _is_too_long(request):
        yield Text(f"{_INDENT}{printable(request.tool or '')}: the arguments are too long for here. Read them first:")
        yield from map(_command, commands.reading(task_id))
    elif asks_about_call(request):
        yield from _call_lines(request)
    yield from _detail_lines(request)
    yield Text(f"{_INDENT}To answer, in another terminal:", style="dim")
    yield from map(_command, commands.answering(request, task_id))
    yield Text(f"{_INDENT}or with Temporal's own command:", style="dim")
    yield _command(commands.signal(request, task_id))


def request_lines(request: InputRequest) -> Iterator[Text]:
    """Yield everything that a person needs to know to answer, however long."""
    yield heading_line(request)
    if asks_about_call(request):
        yield from _call_lines(request)
    yield from _detail_lines(request)


def asks_about_call(request: InputRequest) -> bool:
    """Return whether the answer decides on a call: a question is one itself, and its message has all of it."""
    return request.tool is not None and request.kind in ("approval", "unknown_outcome")


def heading_line(request: InputRequest) -> Text:
    """Return the first line: the request's id, and what is asked."""
    return Text.assemble((f"   ? {printable(request.id)} ", "bold yellow"), _visible_line(request.message))


def _is_too_long(request: InputRequest) -> bool:
    return request.arguments is None or len(_json(request.arguments)) > _MAX_ARGUMENTS_CHARS


def _call_lines(request: InputRequest) -> Iterator[Text]:
    name = f"{_INDENT}{printable(request.tool or '')} "
    if request.arguments is None:
        yield Text.assemble((name, "cyan"), ("its arguments can't be read while no worker runs", "yellow"))
        return
    text = _json(request.arguments)
    if len(text) <= _MAX_LINE_CHARS:
        yield Text.assemble((name, "cyan"), text)
        return
    yield Text(name, style="cyan")
    for key, value in request.arguments.items():
        yield Text.assemble((f"{_INDENT}  {_visible(key)}: ", "cyan"), _json(value))


def _detail_lines(request: InputRequest) -> Iterator[Text]:
    if request.reason:
        yield Text(f"{_INDENT}the model's reason: {_visible_line(request.reason)}")
    for number, choice in enumerate(request.choices or (), 1):
        yield Text(f"{_INDENT}{number}. {_visible_line(choice)}")
    if request.url is not None:
        yield Text(f"{_INDENT}the page, which nothing has opened:")
        yield _command(_visible(request.url))
    if request.kind == "elicitation" and request.tool is not None:
        yield Text(f"{_INDENT}it asks in a call of {_visible(request.tool)}")
    if request.kind == "elicitation" and request.answer_schema is not None:
        yield Text(f"{_INDENT}the answer is a form with")
        yield from (Text(f"{_INDENT}{_visible(line.plain)}") for line in argument_lines(request.answer_schema))
    elif request.answer_schema is not None:
        yield Text(f"{_INDENT}the answer is JSON that fits {_json(request.answer_schema)}")
    if request.approvers:
        yield Text(f"{_INDENT}who should answer: {_visible(', '.join(request.approvers))}")
    if request.count > 1:
        given = [answer.answered_by or "someone" for answer in request.answers]
        so_far = _visible(f"; so far: {', '.join(given)}") if given else ""
        yield Text(f"{_INDENT}{request.count} people must approve{so_far}")
    if request.expires_at is not None:
        others = f"asked of {', '.join(request.escalate_to or ())} then"
        then = _EXPIRY.get(request.on_expiry or "", others if request.on_expiry else "")
        note = f"; {_visible(then)}" if then else ""
        yield Text(f"{_INDENT}expires {request.expires_at:%Y-%m-%d %H:%M:%S} UTC{note}")


def _command(line: str) -> Text:
    return Text(f"{_INDENT}  {line}", no_wrap=True)


def _json(value: JsonValue) -> str:
    return _visible(json.dumps(value, ensure_ascii=False))


def _visible_line(text: str) -> str:
    return _visible(one_line(text, _MAX_MESSAGE_CHARS))


def _visible(text: str) -> str:
    """Return ``text`` with escapes for characters that can't be seen, or that change the order of others."""
    return "".join(
        char if unicodedata.category(char) not in ("Cc", "Cf", "Zl", "Zp") else f"\\u{ord(char):04x}" for char in text
    )
