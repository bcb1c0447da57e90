"""The entry point: the modules it loads, its help, its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest
import typer
from typer.testing import CliRunner

from cli.main import COMMANDS, build_command_line
from tests.reserved_ports import refusing_port

MAIN = [sys.executable, "-c", "from cli.main import main; main()"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_in_the_list_is_the_docstring_of_the_command(name: str) -> None:
    command = getattr(import_module(COMMANDS[name].module), name)

    text = command.info.help if isinstance(command, typer.Typer) else command.__doc__
    assert (text or "").splitlines()[0] == COMMANDS[name].summary


def test_help_lists_every_command() -> None:
    output = CliRunner().invoke(build_command_line(["--help"]), ["--help"]).stdout

    assert all(name in output for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [(["--help"], ["temporalio", "httpx2", "pydantic"]), (["run", "--help"], ["temporalio"])],
    ids=["help", "run"],
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], unneeded: list[str]) -> None:
    script = f"import sys; from cli.main import build_command_line as build; build({arguments!r}); print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)

    assert not set(unneeded) & set(loaded.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tasks", "--url", "nonsense"], 2, "--url nonsense: expected an address"),
        (["tasks", "--limit", "0"], 2, "--limit"),
        (["taks"], 2, "Did you mean 'tasks'?"),
    ],
    ids=["no address", "out of range", "typo"],
)
def test_usage_errors_are_printed_on_stderr_without_a_traceback(arguments: list[str], code: int, message: str) -> None:
    result = subprocess.run([*MAIN, *arguments], capture_output=True, text=True, check=False, timeout=30)

    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_server_is_exit_code_3_of_the_process() -> None:
    with refusing_port() as port:
        arguments = ["tasks", "--url", f"http://127.0.0.1:{port}"]
        result = subprocess.run([*MAIN, *arguments], capture_output=True, text=True, check=False, timeout=30)

    assert (result.returncode, result.stdout) == (3, "")
    assert f"Can't reach the API at http://127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_setting_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPAWN_PORT", "many")

    result = subprocess.run([*MAIN, "tasks"], capture_output=True, text=True, check=False, timeout=30)

    assert result.returncode == 2
    assert "OPSPAWN_PORT" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_help_cuts_no_option_in_40_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    command_line = build_command_line([name])
    result = CliRunner().invoke(command_line, [name, "--help"])

    group = typer.main.get_command(command_line)
    options = [option for parameter in group.commands[name].params for option in parameter.opts]  # type: ignore[attr-defined]  # a click group
    assert result.exit_code == 0
    assert [option for option in options if option.startswith("--") and f"{option} " not in result.stdout] == []
    assert "…" not in result.stdout


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_pipe_ends_the_command_without_an_error(stream: str) -> None:
    arguments = ["--version"] if stream == "stdout" else ["tasks", "--url", "nonsense"]
    read_end, write_end = os.pipe()
    os.close(read_end)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: write_end}

    result = subprocess.run([*MAIN, *arguments], text=True, check=False, timeout=30, **streams)  # type: ignore[call-overload]  # the streams
    os.close(write_end)

    assert result.returncode == (0 if stream == "stdout" else 2)
    assert {result.stdout, result.stderr} <= {None, ""}
