"""The logs of several processes as one: a prefix and a colour for each, and only the lines that matter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.text import Text

from cli.errors import CommandFailed, OutputClosed
from cli.views.console import printable, write_line, write_message

__all__ = ["LogView", "api_line_is_shown", "temporal_line_is_shown", "worker_line_is_shown"]

_PREFIX_WIDTH = len("temporal")
_STYLES = {"temporal": "magenta", "api": "blue"}
_WORKER_STYLE = "green"
_API_NOISE = ("GET /readyz", "GET /healthz", "INFO uvicorn.error:")
_SHOWN_BY_DEV = "WARNING opspawn.settings:"
"""The settings are the same in every process, so ``opspawn dev`` warns about them once."""


def temporal_line_is_shown(line: str) -> bool:
    """Return whether to show a line of Temporal's log: errors only."""
    return "level=ERROR" in line or "level=FATAL" in line or line.startswith(("Error", "error", "panic"))


def api_line_is_shown(line: str) -> bool:
    """Return whether to show a line of the API's log: as of a worker's, without health checks."""
    return worker_line_is_shown(line) and not any(noise in line for noise in _API_NOISE)


def worker_line_is_shown(line: str) -> bool:
    """Return whether to show a line of a worker's log: all but empty ones, and warnings about settings."""
    return bool(line.strip()) and not line.startswith(_SHOWN_BY_DEV)


class LogView:
    """Prints log lines: coloured on a terminal, plain elsewhere."""

    def __init__(self, console: Console, on_closed: Callable[[], None]) -> None:
        """Print to ``console``; call ``on_closed`` once when that fails, as after the terminal was closed."""
        self._console = console
        self._on_closed = on_closed
        self._children_muted = False
        self._closed = False
        self.failure: CommandFailed | None = None
        """Why nothing can be printed any more; None also where the reader has ended."""

    def mute_children(self) -> None:
        """Drop the children's lines from now on: while they stop, each reports that another one is gone."""
        self._children_muted = True

    def child_line(self, name: str, line: str) -> None:
        """Print a line of a child's log."""
        if self._children_muted:
            return
        style = _STYLES.get(name, _WORKER_STYLE)
        text = Text.assemble((f"{name:<{_PREFIX_WIDTH}} │ ", style), printable(line))
        self._print(partial(self._console.print, text, soft_wrap=True))

    def notice(self, text: str, style: str = "") -> None:
        """Print a message of ``opspawn dev`` itself."""
        self._print(partial(write_message, self._console, text, style=style))

    def table(self, rows: dict[str, str]) -> None:
        """Print names and values in two columns."""
        width = max(len(name) for name in rows)
        lines = [Text.assemble((f"{name:<{width}}  ", "bold"), value) for name, value in rows.items()]
        for line in lines:
            self._print(partial(write_line, self._console, line, width + 2))

    def _print(self, write: Callable[[], object]) -> None:
        if self._closed:
            return
        try:
            write()
        except (OSError, CommandFailed) as error:  # the terminal was closed, the reader has ended, or the disk is full
            if isinstance(error, CommandFailed) and not isinstance(error, OutputClosed):
                self.failure = error
            self._closed = True
            self._on_closed()
