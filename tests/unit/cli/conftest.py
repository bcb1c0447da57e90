"""Run the command line against a scripted API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner, Result

from cli.errors import CommandFailed
from cli.main import build
from tests.unit.scripted_api import ScriptedApi, serve_scripted_api


@pytest.fixture(autouse=True)
def no_width_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write lines of any width, whatever the developer's terminal has."""
    monkeypatch.delenv("COLUMNS", raising=False)


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
        result: Result = CliRunner().invoke(build(line), line, input=stdin)
        if isinstance(result.exception, CommandFailed):
            return CommandResult(result.exception.exit_code, result.stdout, f"{result.stderr}{result.exception}")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return CommandResult(result.exit_code, result.stdout, result.stderr)

    return run
