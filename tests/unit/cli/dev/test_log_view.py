"""The logs of several processes as one, and the lines that are left out."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest
from rich.console import Console

from cli.dev.log_view import LogView, api_line_is_shown, temporal_line_is_shown, worker_line_is_shown
from cli.views.console import CommandConsole


class ClosedTerminal(io.StringIO):
    """Fails like a terminal that was closed."""

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
def test_health_checks_of_the_api_are_left_out(line: str, shown: bool) -> None:
    assert api_line_is_shown(line) is shown


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
def test_only_errors_of_temporal_are_shown(line: str, shown: bool) -> None:
    assert temporal_line_is_shown(line) is shown


def test_every_line_of_a_worker_is_shown() -> None:
    assert worker_line_is_shown("INFO opspawn.worker: Working")


def test_warnings_about_settings_are_left_out_of_the_children_s_logs() -> None:
    warning = "WARNING opspawn.settings: Unknown variable OPSPAWN_PROT is ignored."
    assert not worker_line_is_shown(warning)
    assert not api_line_is_shown(warning)


def test_lines_are_coloured_on_a_terminal_and_plain_elsewhere() -> None:
    terminal, pipe = io.StringIO(), io.StringIO()
    coloured = Console(file=terminal, force_terminal=True, color_system="standard", width=80)

    LogView(coloured, lambda: None).child_line("api", "hello")
    LogView(Console(file=pipe, width=80), lambda: None).child_line("api", "hello\x1b[2J [red]x")

    assert "\x1b[34mapi" in terminal.getvalue()
    assert pipe.getvalue() == "api      │ hello[2J [red]x\n"


def test_a_closed_terminal_calls_back_once_and_never_raises() -> None:
    calls: list[bool] = []
    view = LogView(Console(file=ClosedTerminal()), lambda: calls.append(True))

    view.notice("hello")
    view.child_line("worker", "hello")

    assert calls == [True]


def test_muted_children_are_silent_and_notices_are_not() -> None:
    pipe = io.StringIO()
    view = LogView(Console(file=pipe, width=80), lambda: None)
    view.mute_children()

    view.child_line("worker", "Temporal is gone")
    view.notice("Stopping.")

    assert pipe.getvalue() == "Stopping.\n"


def test_notices_and_addresses_are_wrapped_at_words_on_a_terminal() -> None:
    terminal = io.StringIO()
    view = LogView(Console(file=terminal, force_terminal=True, color_system=None, width=30), lambda: None)

    view.notice("No key is set, so this is the demo model:\n  a command that is never wrapped")
    view.table({"Workers": "none; start one with another command"})

    assert terminal.getvalue().splitlines() == [
        "No key is set, so this is the",
        "demo model:",
        "  a command that is never wrapped",
        "Workers  none; start one with",
        "         another command",
    ]


def test_output_that_can_not_be_written_is_a_failure() -> None:
    calls: list[bool] = []
    with Path("/dev/full").open("w") as full:
        view = LogView(CommandConsole(file=full), lambda: calls.append(True))
        view.notice("hello")
        view.notice("hello")
    assert calls == [True]
    assert str(view.failure) == "The output can't be written: No space left on device."
