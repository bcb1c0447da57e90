"""Show a task while it goes on: live on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from cli.answers import Task
from cli.console import err, one_line, write_json
from cli.steps import Steps
from cli.updates import Lost, MessageAdded, Regained, TaskChanged, Update

__all__ = ["Display", "JsonLines", "LiveDisplay", "Notes", "PlainLines", "summary"]


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
            err.print("Connected again.")


class JsonLines(Notes):
    """One JSON object a line: ``{"type": "message", ...}`` and ``{"type": "task", ...}``; the task's end is last."""

    def show(self, update: Update) -> None:
        """Show one update."""
        if isinstance(update, MessageAdded):
            message = update.message.model_dump(mode="json", exclude_none=True)
            write_json({"type": "message", "position": update.position, "message": message}, indent=None)
        elif isinstance(update, TaskChanged):
            write_json({"type": "task", "task": update.task.document}, indent=None)
        else:
            super().show(update)


class PlainLines(Notes):
    """A line for each thing that happened; what scrolls by stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps = Steps()
        self._status = ""

    def show(self, update: Update) -> None:
        """Show one update."""
        if isinstance(update, MessageAdded):
            for line in self._steps.lines(update.message):
                self._console.print(line, soft_wrap=True)
        elif isinstance(update, TaskChanged):
            self._changed(update.task)
        else:
            super().show(update)

    def _changed(self, task: Task) -> None:
        if task.status in ("waiting", "paused") and task.status != self._status:
            self._console.print(f"task {task.id} is {task.status}")
        self._status = task.status


class LiveDisplay(PlainLines):
    """Plain lines above, and below them a status line that moves: status, step, time, tokens."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._started = time.monotonic()
        self._line = "starting"
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=8, transient=True, redirect_stderr=True
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, update: Update) -> None:
        """Show one update."""
        if isinstance(update, Lost):
            self._line = "connection lost, retrying; the task goes on meanwhile"
            return
        if not isinstance(update, Regained):
            super().show(update)

    def _changed(self, task: Task) -> None:
        doing = one_line(task.doing, 60) or f"step {task.steps}"
        self._line = f"{task.status} · {doing} · {task.usage.tokens:,} tokens"

    def _render(self) -> Spinner:
        seconds = time.monotonic() - self._started
        self._spinner.update(text=Text(f"{self._line} · {seconds:.0f} s", style="dim"))
        return self._spinner


def summary(task: Task) -> str:
    """Return how a task ended, in one line: status, steps, tokens, time, cost."""
    facts = [task.status, f"{task.steps} step{'' if task.steps == 1 else 's'}", f"{task.usage.tokens:,} tokens"]
    if task.created_at is not None and task.completed_at is not None:
        facts.append(f"{(task.completed_at - task.created_at).total_seconds():.1f} s")
    if task.usage.cost_usd is not None:
        facts.append(f"${task.usage.cost_usd:.4f}")
    return " · ".join(facts)
