"""Show a task's updates as plain lines, as JSON lines for programs, or only the state of the connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.text import Text

from agentkit.client import ConnectionLost, ConnectionRestored, InputRequested, Task, TaskEvent, TaskUpdate
from agentkit.messages import Usage
from cli.views.answer_commands import AnswerCommands
from cli.views.console import err, write_json, write_message
from cli.views.input_request_lines import input_request_lines
from cli.views.step_lines import EventLines, write_step_line

__all__ = ["ConnectionNotices", "Display", "JsonLines", "Lines", "PlainLines", "RequestNotices", "cost_text", "summary"]


class Display(Protocol):
    """Shows updates; a context manager, so that a live display can restore the terminal."""

    def show(self, update: TaskUpdate) -> None:
        """Show one update."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Lines(Protocol):
    """Turns a task's events into lines."""

    def render(self, event: TaskEvent) -> Iterator[Text]:
        """Yield the lines of the next event; none for events without interest to people."""
        ...


class ConnectionNotices:
    """Prints on stderr when the connection is lost and restored; ignores events."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, update: TaskUpdate) -> None:
        """Show one update."""
        if isinstance(update, ConnectionLost):
            write_message(err, f"Connection lost, retrying. The task goes on meanwhile. ({update.reason})")
        elif isinstance(update, ConnectionRestored):
            write_message(err, f"Connected again after {update.seconds:.0f} s.")


class JsonLines(ConnectionNotices):
    """Prints each event as a line of JSON: the API's object, with its position as ``id`` where it has one."""

    def show(self, update: TaskUpdate) -> None:
        """Show one update."""
        if isinstance(update, ConnectionLost | ConnectionRestored):
            super().show(update)
        else:
            position = {} if update.position is None else {"id": update.position}
            write_json({**position, **update.raw}, indent=None)


class RequestNotices(ConnectionNotices):
    """Prints on stderr what the task asks people, too."""

    def __init__(self, commands: AnswerCommands) -> None:
        self._commands = commands

    def show(self, update: TaskUpdate) -> None:
        """Show one update."""
        if isinstance(update, InputRequested):
            for line in input_request_lines(update.input_request, update.task_id, self._commands):
                write_step_line(err, line)
        else:
            super().show(update)


class PlainLines(ConnectionNotices):
    """Prints the lines of each event."""

    def __init__(self, console: Console, commands: AnswerCommands | None, lines: Lines | None = None) -> None:
        """Print to ``console``; ``commands`` as for ``EventLines``, which ``lines`` take the place of."""
        self._console = console
        self._lines = lines or EventLines(commands)
        self._is_suspended = False
        self._later: list[TaskUpdate] = []
        """What happened while it was suspended."""

    def show(self, update: TaskUpdate) -> None:
        """Show one update; while the display is suspended, later."""
        if self._is_suspended:
            self._later.append(update)
        else:
            self._print(update)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Print nothing meanwhile: the terminal is needed for something else."""
        self._is_suspended = True
        try:
            yield
        finally:
            self._is_suspended = False
            later, self._later = self._later, []
            for update in later:
                self._print(update)

    def _print(self, update: TaskUpdate) -> None:
        if isinstance(update, ConnectionLost | ConnectionRestored):
            super().show(update)
            return
        for line in self._lines.render(update):
            write_step_line(self._console, line)


def summary(task: Task) -> str:
    """Return the state of a task in one line: status, steps, tokens, time, cost."""
    facts = [task.status, f"{task.steps} step{'' if task.steps == 1 else 's'}", f"{task.usage.tokens:,} tokens"]
    if task.created_at is not None and task.completed_at is not None:
        facts.append(f"{(task.completed_at - task.created_at).total_seconds():.1f} s")
    return " · ".join([*facts, *cost_text(task.usage)])


def cost_text(usage: Usage) -> list[str]:
    """Return the cost as an item of a line; an empty list when it is unknown, or nothing."""
    if not usage.cost_usd:
        return []
    unpriced = f" + {usage.unpriced_calls} calls of unknown price" if usage.unpriced_calls else ""
    return [f"${usage.cost_usd:.4f}{unpriced}"]
