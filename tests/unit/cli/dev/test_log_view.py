"""Log lines of several processes as one."""

from __future__ import annotations

import errno
import io

import pytest
from rich.console import Console

from cli.dev.log_view import LogView, shows_api, shows_temporal, shows_worker


class ClosedTerminal(io.StringIO):
    """What writing to a terminal that was closed is like."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('INFO:     127.0.0.1:1 - "GET /readyz HTTP/1.1" 200 OK', False),
        ('INFO:     127.0.0.1:1 - "GET /api/v1/tasks HTTP/1.1" 200 OK', True),
    ],
    ids=["probe", "request"],
)
def test_probes_of_the_api_are_noise(line: str, shown: bool) -> None:
    assert shows_api(line) is shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Temporal UI:          http://localhost:8233", False),
        ('time=2026-11-21T19:52:26 level=WARN msg="Failed to poll for task."', False),
        ('time=2026-11-21T19:52:26 level=ERROR msg="disk is full"', True),
        ("Error: address already in use", True),
    ],
    ids=["banner", "warning", "error", "fatal"],
)
def test_of_temporal_only_errors_are_shown(line: str, shown: bool) -> None:
    assert shows_temporal(line) is shown


def test_a_worker_is_shown_whole() -> None:
    assert shows_worker("INFO opspawn.worker: Working")


def test_lines_are_coloured_on_a_terminal_and_plain_elsewhere() -> None:
    terminal, pipe = io.StringIO(), io.StringIO()
    coloured = Console(file=terminal, force_terminal=True, color_system="standard", width=80)

    LogView(coloured, lambda: None).line("api", "hello")
    LogView(Console(file=pipe, width=80), lambda: None).line("api", "hello\x1b[2J [red]x")

    assert "\x1b[34mapi" in terminal.getvalue()
    assert pipe.getvalue() == "api      │ hello[2J [red]x\n"


def test_a_closed_terminal_is_told_once_and_never_raises() -> None:
    told: list[bool] = []
    view = LogView(Console(file=ClosedTerminal()), lambda: told.append(True))

    view.say("hello")
    view.line("worker", "hello")

    assert told == [True]
