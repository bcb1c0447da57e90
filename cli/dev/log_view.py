"""The log lines of several processes as one: a prefix and a colour for each, noise left out."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from cli.views.console import printable

__all__ = ["LogView", "shows_api", "shows_temporal", "shows_worker"]

_WIDTH = len("temporal")
_STYLES = {"temporal": "magenta", "api": "blue"}
_WORKER_STYLE = "green"
_API_NOISE = ("GET /readyz", "GET /healthz", "INFO uvicorn.error:")


def shows_temporal(line: str) -> bool:
    """Return whether a line of Temporal's log is worth a person's time: its errors are, its banner isn't."""
    return "level=ERROR" in line or "level=FATAL" in line or line.startswith(("Error", "error", "panic"))


def shows_api(line: str) -> bool:
    """Return whether a line of the API's log is worth a person's time: probes of its health aren't."""
    return bool(line.strip()) and not any(noise in line for noise in _API_NOISE)


def shows_worker(line: str) -> bool:
    """Return whether a line of a worker's log is worth a person's time."""
    return bool(line.strip())


class LogView:
    """Writes to a terminal in colours, and plainly elsewhere."""

    def __init__(self, console: Console, lost: Callable[[], None]) -> None:
        """Take where to write, and what to call when nobody can read it any more."""
        self._console = console
        self._lost = lost
        self._hushed = False
        self._gone = False

    def hush(self) -> None:
        """Leave out the children's lines from now on: while they are stopped, they complain of each other's end."""
        self._hushed = True

    def line(self, name: str, line: str) -> None:
        """Write a line of a child's log."""
        if self._hushed:
            return
        style = _STYLES.get(name, _WORKER_STYLE)
        self._print(Text.assemble((f"{name:<{_WIDTH}} │ ", style), printable(line)))

    def say(self, text: str, style: str = "") -> None:
        """Write what ``opspawn dev`` itself has to say."""
        self._print(Text(text, style=style))

    def table(self, rows: dict[str, str]) -> None:
        """Write names and what they stand for."""
        width = max(len(name) for name in rows)
        for name, value in rows.items():
            self._print(Text.assemble((f"{name:<{width}}  ", "bold"), value))

    def _print(self, what: Text) -> None:
        if self._gone:
            return
        try:
            self._console.print(what, soft_wrap=True)
        except OSError:  # the terminal was closed, or the pipe's reader went away
            self._gone = True
            self._lost()
