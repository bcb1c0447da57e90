"""An input request as lines of text for the person who answers it: the whole call, and the command to type."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from activities.shell_commands import shell_path
from agentkit.input_requests import DECISIONS, InputRequest, answer_example
from cli.views.console import one_line, printable

__all__ = ["input_request_lines"]

_MAX_MESSAGE_CHARS = 500
_MAX_ARGUMENTS_CHARS = 4_000
"""Longer arguments are not shown in part: a person must not approve what is cut off."""
_INDENT = " " * 5


def input_request_lines(request: InputRequest, task_id: str) -> Iterator[Text]:
    """Yield the lines of an open request; those with ``no_wrap`` are commands to copy."""
    yield Text.assemble((f"   ? {request.id} ", "bold yellow"), one_line(request.message, _MAX_MESSAGE_CHARS))
    if request.tool is not None:
        yield from _call_lines(request, task_id)
    if request.reason:
        yield Text(f"{_INDENT}the model's reason: {one_line(request.reason, _MAX_MESSAGE_CHARS)}")
    if request.approvers:
        yield Text(f"{_INDENT}who should answer: {printable(', '.join(request.approvers))}")
    decisions = " or ".join(DECISIONS.get(request.kind, ()))
    yield Text(f"{_INDENT}To answer ({decisions}), in another terminal:", style="dim")
    yield _command("signal", task_id, "--name", "answer_input", "--input", answer_example(request))


def _call_lines(request: InputRequest, task_id: str) -> Iterator[Text]:
    arguments = json.dumps(request.arguments, ensure_ascii=False)
    if request.arguments is not None and len(arguments) <= _MAX_ARGUMENTS_CHARS:
        yield Text.assemble((f"{_INDENT}{printable(request.tool or '')} ", "cyan"), printable(arguments))
        return
    yield Text(f"{_INDENT}The arguments are too long for here. Read them first:")
    yield _command("query", task_id, "--type", "input_requests")


def _command(verb: str, task_id: str, *arguments: str) -> Text:
    command = shlex.join([_temporal(), "workflow", verb, "--workflow-id", task_id, *arguments])
    return Text(f"{_INDENT}  {printable(command)}", no_wrap=True)


def _temporal() -> str:
    """Return how Temporal's command line can be started: by its name if the PATH has it, else by its path."""
    installed = Path(sys.executable).with_name("temporal")
    return "temporal" if shutil.which("temporal") or not installed.is_file() else shell_path(installed)
