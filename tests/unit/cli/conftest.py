"""The command line, run against a scripted API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner, Result

from cli.errors import CommandFailed
from cli.main import build
from tests.unit.cli.scripted_api import ScriptedApi, serving_api


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with serving_api() as scripted:
        yield scripted


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Opspawn = Callable[..., Ended]


@pytest.fixture
def opspawn(api: ScriptedApi) -> Opspawn:
    """Return ``opspawn``: call it with its arguments, and ``stdin`` where it reads that."""

    def call(*arguments: str, stdin: str | bytes | None = None, url: str | None = None) -> Ended:
        line = [*arguments, "--url", url or api.url]
        result: Result = CliRunner().invoke(build(line), line, input=stdin)
        if isinstance(result.exception, CommandFailed):
            return Ended(result.exception.exit_code, result.stdout, f"{result.stderr}{result.exception}")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return call
