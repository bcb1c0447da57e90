"""``opspawn mcp call`` on a terminal: questions, progress, Ctrl-C; and what remains where it is killed."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from activities.settings import inherited_environment
from tests.integration.cli.mcp_app import OPSPAWN, processes_of, recorded, run, write_servers
from tests.polling import eventually
from tests.terminal import terminal_for


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write_servers(tmp_path)


def test_an_irreversible_tool_is_called_after_a_yes_only(app: Path) -> None:
    command = [*OPSPAWN, "call", "chatty", "delete_everything", '{"place": "attic"}']
    with terminal_for(command, environment=inherited_environment(), cwd=app) as terminal:
        terminal.wait_for(r'irreversible[\s\S]*\{"place": "attic"\}\s+Call it\?')
        terminal.type("n\n")
        assert terminal.wait_for_end() == 1
    assert recorded(app) == []
    with terminal_for(command, environment=inherited_environment(), cwd=app) as terminal:
        terminal.wait_for(r"Call it\?")
        terminal.type("y\n")
        terminal.wait_for("Deleted everything in attic.")
        assert terminal.wait_for_end() == 0
    assert recorded(app) == ["deleted attic"]
    assert run(app, "call", "chatty", "delete_everything", '{"place": "cellar"}', "--yes").returncode == 0
    assert recorded(app) == ["deleted attic", "deleted cellar"]


def test_what_a_server_asks_in_a_call_is_asked_on_the_terminal(app: Path) -> None:
    command = [*OPSPAWN, "call", "chatty", "greet"]
    with terminal_for(command, environment=inherited_environment(), cwd=app) as terminal:
        terminal.wait_for(r"The server asks: Who are you\?[\s\S]*name: ")
        terminal.type("Ada\n")
        terminal.wait_for("Hello, Ada!")
        assert terminal.wait_for_end() == 0
    declined = run(app, "call", "chatty", "greet")
    assert "Hello, stranger (decline)!" in declined.stdout
    assert "stdin is no terminal" in declined.stderr


async def test_progress_is_shown_and_ctrl_c_cancels_the_call(app: Path) -> None:
    command = [*OPSPAWN, "call", "chatty", "work"]
    with terminal_for(command, environment=inherited_environment(), cwd=app) as terminal:
        terminal.wait_for(r"25% .*counting")
        await eventually(lambda: recorded(app) == ["working"], 30)
        terminal.type("\x03")
        terminal.wait_for("Interrupted: the call was cancelled.")
        assert terminal.wait_for_end() == 130
    assert recorded(app) == ["working", "cancelled"]
    assert processes_of(app) == []


async def test_no_server_outlives_a_command_that_is_killed(app: Path) -> None:
    process = await asyncio.create_subprocess_exec(*OPSPAWN, "call", "chatty", "work", cwd=app, stdin=PIPE)
    await eventually(lambda: recorded(app) == ["working"], 30)
    process.kill()
    await process.wait()
    await eventually(lambda: processes_of(app) == [], 30)
