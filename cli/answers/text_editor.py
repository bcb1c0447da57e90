"""Let a person edit text in ``$VISUAL`` or ``$EDITOR``: the arguments of a call, or an answer, as JSON."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from pydantic import JsonValue

from agentkit.client import JsonObject
from cli.answers.typed_json import parse_typed_json
from cli.errors import CommandFailed

__all__ = ["arguments_text", "changed_arguments", "edit_text", "interrupts_ignored"]

_START_EDITOR = 'eval "${VISUAL:-${EDITOR:-vi}} \\"\\$1\\""'
"""As git does it: the variable may hold a program with options, or any command of the shell."""


def edit_text(text: str, name: str = "arguments.json") -> str:
    """Return the text as the person saved it, from a file that only this user can read.

    Raises:
        CommandFailed: the editor can't be started, or failed.
    """
    with TemporaryDirectory(prefix="opspawn-") as directory:
        path = Path(directory, name)
        path.touch(0o600)
        path.write_text(text, encoding="utf-8")
        code = subprocess.run(["sh", "-c", _START_EDITOR, "sh", str(path)], check=False).returncode
        if code:
            raise CommandFailed(f"The editor failed (exit code {code}). Name one: `export EDITOR=nano`")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise CommandFailed(f"The edited file can't be read: {error}") from None


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C, which belongs to the editor meanwhile; only in the main thread."""

    def ignore(_number: int, _frame: FrameType | None) -> None:
        pass  # unlike SIG_IGN, the editor doesn't inherit it

    previous = signal.signal(signal.SIGINT, ignore)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def arguments_text(arguments: Mapping[str, JsonValue]) -> str:
    """Return arguments as JSON for people to edit."""
    return json.dumps(arguments, indent=2, ensure_ascii=False) + "\n"


def changed_arguments(original: Mapping[str, JsonValue], edited: str) -> JsonObject | None:
    """Return the arguments in the edited text; None when they are the same.

    Raises:
        ValueError: it isn't a JSON object. The message is for people.
    """
    arguments = parse_typed_json(edited)
    if not isinstance(arguments, dict):
        raise ValueError("That isn't a JSON object, such as {}")
    return None if _canonical(arguments) == _canonical(original) else arguments


def _canonical(arguments: Mapping[str, JsonValue]) -> str:
    """Return the arguments as text: unlike values of Python, 1 and 1.0 and true differ."""
    return json.dumps(arguments, sort_keys=True)
