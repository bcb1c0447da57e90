"""Show a task while it goes on: plain lines, JSON lines for programs, or notes alone."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console

from agentkit.client import Lost, Regained, Task, Update
from cli.views.console import err, write_json
from cli.views.step_lines import EventLines

__all__ = ["Display", "JsonLines", "Notes", "PlainLines", "cost_text", "summary"]


class Display(Protocol):
    """Shows updates; a context manager, so that a live display leaves the terminal as it was."""

    def show(self, update: Update) -> None:
        """Show one update."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Notes:
    """Says on stderr only when the connection is lost and regained."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, update: Update) -> None:
        """Show one update."""
        if isinstance(update, Lost):
            err.print(f"Connection lost, retrying. The task goes on meanwhile. ({update.reason})", soft_wrap=True)
        elif isinstance(update, Regained):
            err.print(f"Connected again after {update.seconds:.0f} s.", soft_wrap=True)


class JsonLines(Notes):
    """One event a line, as the API tells it, with its position as ``id`` where it has one."""

    def show(self, update: Update) -> None:
        """Show one update."""
        if isinstance(update, Lost | Regained):
            super().show(update)
        else:
            position = {} if update.position is None else {"id": update.position}
            write_json({**position, **update.document}, indent=None)


class PlainLines(Notes):
    """A line for each thing that happened; what scrolls by stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines = EventLines()

    def show(self, update: Update) -> None:
        """Show one update."""
        if isinstance(update, Lost | Regained):
            super().show(update)
            return
        for line in self._lines.lines(update):
            self._console.print(line, soft_wrap=True)


def summary(task: Task) -> str:
    """Return how a task ended, in one line: status, steps, tokens, time, cost."""
    facts = [task.status, f"{task.steps} step{'' if task.steps == 1 else 's'}", f"{task.usage.tokens:,} tokens"]
    if task.created_at is not None and task.completed_at is not None:
        facts.append(f"{(task.completed_at - task.created_at).total_seconds():.1f} s")
    return " · ".join([*facts, *cost_text(task.usage.cost_usd)])


def cost_text(dollars: float | None) -> list[str]:
    """Return what something cost, for a line; nothing where that isn't known."""
    return [] if dollars is None else [f"${dollars:.4f}"]
