"""Run the command line against a scripted API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner, Result

from cli.errors import CommandFailed
from cli.main import build_command_line
from cli.views.console import err, out
from tests.unit.scripted_api import ScriptedApi, serve_scripted_api


@pytest.fixture
def set_width(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that lets commands in this process write to a terminal of so many columns, without colours."""

    def set_columns(columns: int) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")  # rich's variable for output that counts as a terminal
        for console in (out, err):
            monkeypatch.setattr(console, "width", columns)

    return set_columns


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with serve_scripted_api() as scripted:
        yield scripted


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str


Opspawn = Callable[..., CommandResult]


@pytest.fixture
def opspawn(api: ScriptedApi) -> Opspawn:
    """Return a function that runs ``opspawn`` with these arguments, and ``stdin`` where the command reads it."""

    def run(*arguments: str, stdin: str | bytes | None = None, url: str | None = None) -> CommandResult:
        line = [*arguments, "--url", url or api.url]
        result: Result = CliRunner().invoke(build_command_line(line), line, input=stdin)
        if isinstance(result.exception, CommandFailed):
            return CommandResult(result.exception.exit_code, result.stdout, f"{result.stderr}{result.exception}")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return CommandResult(result.exit_code, result.stdout, result.stderr)

    return run
