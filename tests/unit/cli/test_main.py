"""The entrance: what is loaded, what help says, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from cli.main import COMMANDS, build


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_in_the_list_is_the_docstring_of_the_command(name: str) -> None:
    function = getattr(import_module(COMMANDS[name].module), name)

    assert function.__doc__.splitlines()[0] == COMMANDS[name].summary


def test_help_lists_every_command() -> None:
    said = CliRunner().invoke(build(["--help"]), ["--help"]).stdout

    assert all(name in said for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [(["--help"], ["temporalio", "httpx2", "pydantic"]), (["run", "--help"], ["temporalio"])],
    ids=["help", "run"],
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], unneeded: list[str]) -> None:
    script = f"import sys; from cli.main import build; app = build({arguments!r}); print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)

    assert not set(unneeded) & set(loaded.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tasks", "--url", "nonsense"], 2, "--url nonsense: expected an address"),
        (["tasks", "--url", "http://127.0.0.1:9"], 3, "Can't reach the API at http://127.0.0.1:9"),
        (["tasks", "--limit", "0"], 2, "--limit"),
        (["taks"], 2, "Did you mean 'tasks'?"),
    ],
    ids=["no address", "nobody there", "out of range", "typo"],
)
def test_failures_are_said_on_stderr_without_a_traceback(arguments: list[str], code: int, said: str) -> None:
    main = [sys.executable, "-c", "from cli.main import main; main()"]

    ended = subprocess.run([*main, *arguments], capture_output=True, text=True, check=False, timeout=30)

    assert (ended.returncode, ended.stdout) == (code, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_setting_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPAWN_PORT", "many")
    main = [sys.executable, "-c", "from cli.main import main; main()", "tasks"]

    ended = subprocess.run(main, capture_output=True, text=True, check=False, timeout=30)

    assert ended.returncode == 2
    assert "OPSPAWN_PORT" in ended.stderr
