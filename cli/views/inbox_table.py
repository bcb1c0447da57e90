"""What tasks ask people, as a table, and as a view on a terminal that is drawn again and again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from agentkit.client import InputRequestList, OpenInputRequest
from cli.views.console import one_line, printable, text_width
from cli.views.table import table_lines
from cli.views.times import age, time_left

__all__ = ["InboxDisplay", "inbox_lines"]

_HEADINGS = ("TASK", "REQUEST", "KIND", "AGENT", "AGE", "EXPIRES", "ASKS")
_NUMBERS = frozenset({"AGE", "EXPIRES"})
_MAX_QUESTION_CHARS = 120
_FOOTER_LINES = 3


def inbox_lines(page: InputRequestList, width: int | None) -> Iterator[Text]:
    """Yield the lines of a page: a row for each request."""
    if not page.input_requests:
        yield Text("No task asks anything.")
        return
    yield from table_lines(
        _HEADINGS, [_row(request) for request in page.input_requests], width, numbers=_NUMBERS, wraps=False
    )


def _row(request: OpenInputRequest) -> list[Text]:
    names = (request.task_id, request.id, request.kind.replace("_", " "), request.agent)
    times = (age(request.opened_at), time_left(request.expires_at))
    return [*(Text(printable(text)) for text in (*names, *times)), Text(_question(request))]


def _question(request: OpenInputRequest) -> str:
    if request.kind != "approval" or request.tool is None or request.sha256 is None:
        return one_line(request.message, _MAX_QUESTION_CHARS)
    arguments = "…" if request.arguments is None else json.dumps(request.arguments, ensure_ascii=False)
    return one_line(f"{request.tool} {arguments}", _MAX_QUESTION_CHARS)


class InboxDisplay:
    """Draws the newest page on a terminal; a context manager that leaves the last one there."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._page: InputRequestList | None = None
        self._state = ""
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=1)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, page: InputRequestList) -> None:
        """Draw a page."""
        self._page, self._state = page, f"as of {datetime.now(UTC):%H:%M:%S} UTC"
        self._live.refresh()

    def show_loss(self, reason: str) -> None:
        """Draw the last page, and that it may be outdated."""
        self._state = f"connection lost, retrying: {one_line(reason, _MAX_QUESTION_CHARS)}"
        self._live.refresh()

    def _render(self) -> Group:
        if self._page is None:
            return Group()
        lines = list(inbox_lines(self._page, text_width(self._console)))
        shown = lines[: max(1, self._console.height - _FOOTER_LINES)]
        facts = [self._state, "Ctrl-C ends"]
        if self._page.next_cursor is not None or len(shown) < len(lines):
            facts.insert(0, "more with --once")
        footer = Text(" · ".join(facts), style="dim", no_wrap=True, overflow="ellipsis")
        return Group(*shown, Text(), footer)
