"""Commands in messages work when pasted, in the directory and shell that they are printed in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from activities.shell_commands import (
    opspawn_command,
    python_command,
    same_command,
    shell_path,
    with_local_commands,
)

PROJECT = Path("a project")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start this process, as far as it can see, as ``opspawn`` in a virtual environment; return the script."""
    script = tmp_path / PROJECT / ".venv" / "bin" / "opspawn"
    script.parent.mkdir(parents=True)
    script.write_text('#!/bin/sh\necho "$OPSPAWN_TASK_QUEUE" $# "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.chdir(tmp_path / PROJECT)
    return script


def pasted(command: str, directory: Path) -> str:
    result = subprocess.run(["sh", "-c", command], cwd=directory, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_without_opspawn_on_the_path_its_own_path_is_named(script: Path) -> None:
    command = opspawn_command("run", "assistant", 'call x {"a": 1}')

    assert command == """.venv/bin/opspawn run assistant 'call x {"a": 1}'"""
    assert pasted(command, Path.cwd()) == '3 run assistant call x {"a": 1}'


def test_elsewhere_and_anywhere_the_path_is_absolute(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anywhere = opspawn_command("dev", anywhere=True)
    other = Path("other").absolute()
    other.mkdir()
    monkeypatch.chdir(other)

    assert opspawn_command("dev") == anywhere
    assert pasted(anywhere, other) == "1 dev"


def test_in_the_scripts_own_directory_it_is_named_with_a_slash(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(script.parent)

    assert pasted(opspawn_command("dev"), script.parent) == "1 dev"


def test_on_the_path_the_name_is_enough(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)

    assert opspawn_command("dev") == "opspawn dev"
    assert opspawn_command("dev", anywhere=True) != "opspawn dev"


def test_another_opspawn_on_the_path_is_not_this_one(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "opspawn"
    other.write_text("")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    assert opspawn_command("dev") == ".venv/bin/opspawn dev"


def test_started_as_a_module_the_script_beside_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/site-packages/opspawn/__main__.py", "dev"])

    assert opspawn_command("--version", anywhere=True).split()[0] == str(Path(sys.executable).with_name("opspawn"))


def test_without_a_script_python_runs_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "argv", ["other"])
    monkeypatch.chdir(tmp_path)

    assert opspawn_command("dev") == "python -m opspawn dev"
    assert python_command("-m", "pip") == "python -m pip"


def test_the_same_command_has_each_option_once(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv, "dev", "--port", "1", "--ui-port=2", "--app-dir", "my app"])

    command = same_command({"--port": "3", "--ui-port": "4"}, variables={"OPSPAWN_TASK_QUEUE": "my queue"})

    assert pasted(command, Path.cwd()) == "my queue 7 dev --app-dir my app --port 3 --ui-port 4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Run `opspawn setup`.", "Run `.venv/bin/opspawn setup`."),
        ("Run `/a/bin/opspawn setup`.", "Run `/a/bin/opspawn setup`."),
        ("opspawn is Opspawn's command", "opspawn is Opspawn's command"),
        ("my-opspawn dev", "my-opspawn dev"),
    ],
)
def test_commands_in_another_processs_message_become_those_of_this_shell(
    script: Path, text: str, expected: str
) -> None:
    assert with_local_commands(text) == expected


def test_paths_below_this_directory_are_relative(script: Path) -> None:
    assert shell_path(Path.cwd() / "app") == "app"
    assert shell_path(Path.cwd().parent / "app") == str(Path.cwd().parent / "app")
    assert shell_path(Path("app"), anywhere=True) == str(Path.cwd() / "app")
