"""Commands that messages name: they work when pasted into a shell, also where ``opspawn`` isn't on the PATH."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["opspawn_command", "python_command", "same_command", "shell_path", "with_local_commands"]

_NAME = "opspawn"
_BARE_COMMAND = re.compile(r"(?<![\w./-])opspawn(?= (?:dev|doctor|init|setup|workers?)\b)")


def opspawn_command(*arguments: str, variables: Mapping[str, str] | None = None, anywhere: bool = False) -> str:
    """Return a command of ``opspawn`` for this directory and shell; ``anywhere``: for any shell of this machine.

    ``variables`` are set for this command.
    """
    program = _program(None if anywhere else Path.cwd())
    assignments = [f"{name}={shlex.quote(value)}" for name, value in (variables or {}).items()]
    return " ".join([*assignments, shlex.join([*program, *arguments])])


def same_command(options: Mapping[str, str], *, variables: Mapping[str, str] | None = None) -> str:
    """Return the command line of this process with these options, which replace its own, and with more variables."""
    kept: list[str] = []
    arguments = iter(sys.argv[1:])
    for argument in arguments:
        if argument in options:
            next(arguments, None)
        elif argument.partition("=")[0] not in options:
            kept.append(argument)
    return opspawn_command(*kept, *(text for option in options.items() for text in option), variables=variables)


def python_command(*arguments: str) -> str:
    """Return a command of the Python that runs this process, for this directory."""
    return shlex.join([shell_path(Path(sys.executable)), *arguments])


def shell_path(path: Path, *, anywhere: bool = False) -> str:
    """Return ``path`` relative if it lies below this directory, else absolute, as with ``anywhere``."""
    return _path(path, None if anywhere else Path.cwd())


def with_local_commands(text: str) -> str:
    """Return another process's message, in which commands of ``opspawn`` are those of this directory and shell."""
    return _BARE_COMMAND.sub(lambda _: opspawn_command(), text)


def _program(directory: Path | None) -> list[str]:
    """Return how ``opspawn`` can be started: by its name if the PATH of this shell has it, else by its path."""
    script = Path(sys.argv[0])
    if script.name != _NAME or not script.is_file():
        script = Path(sys.executable).with_name(_NAME)
    if not script.is_file():
        return [_path(Path(sys.executable), directory), "-m", _NAME]
    found = shutil.which(_NAME) if directory is not None else None
    if found is not None and os.path.samefile(found, script):
        return [_NAME]
    path = _path(script, directory)
    return [path if "/" in path else f"./{path}"]


def _path(path: Path, directory: Path | None) -> str:
    absolute = Path(os.path.abspath(path))  # unlike Path.resolve, it keeps symlinks, such as a venv's python
    if directory is not None and absolute.is_relative_to(directory):
        return str(absolute.relative_to(directory))
    return str(absolute)
