"""A live view of a task on a terminal: its steps so far above, and below what is happening now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from agentkit.client import (
    ConnectionLost,
    ConnectionRestored,
    ModelCompleted,
    StreamedResponse,
    TaskEvent,
    TaskStatusChanged,
    TaskUpdate,
    ToolCompleted,
    ToolFailed,
    ToolStarted,
)
from agentkit.messages import ToolCall, Usage
from cli.views.answer_commands import AnswerCommands
from cli.views.console import printable, write_message
from cli.views.step_lines import arguments_text
from cli.views.task_display import Lines, PlainLines, cost_text

__all__ = ["LiveDisplay"]

_RESPONSE_LINES = 8
"""Lines that are shown of a response in progress: its end."""
_INDENT = 3


class LiveDisplay(PlainLines):
    """Plain lines above; below them the response in progress, running tools, and a status line with a spinner."""

    def __init__(self, console: Console, commands: AnswerCommands | None, lines: Lines | None = None) -> None:
        """Draw on ``console``; ``commands`` and ``lines`` as for ``PlainLines``."""
        super().__init__(console, commands, lines)
        self._response = StreamedResponse()
        self._running_calls: dict[str, tuple[ToolCall, float]] = {}
        """Running tool calls by id, with the monotonic time at which their start was received."""
        self._status = "starting"
        self._step = 0
        self._usage = Usage()
        self._started_at: datetime | None = None
        self._connection_lost = False
        self._spinner = Spinner("dots", style="cyan")
        self._live = self._new_live()

    def __enter__(self) -> Self:
        self._live = self._new_live()
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Draw and print nothing meanwhile: the terminal is needed for something else."""
        self._live.stop()
        try:
            with super().suspended():
                yield
        finally:
            self._live = self._new_live()  # the old one would erase as many lines as it had drawn
            self._live.start()

    def _new_live(self) -> Live:
        return Live(
            get_renderable=self._render,
            console=self._console,
            refresh_per_second=10,
            transient=True,
            redirect_stderr=True,
        )

    def _print(self, update: TaskUpdate) -> None:
        self._response.apply(update)
        match update:
            case ConnectionLost():
                self._connection_lost = True
            case ConnectionRestored(seconds=seconds):
                self._connection_lost = False
                note = f"-- connection lost for {seconds:.0f} s; what happened meanwhile follows --"
                write_message(self._console, note, style="yellow")
            case _:
                self._record(update)
                super()._print(update)

    def _record(self, event: TaskEvent) -> None:
        self._started_at = self._started_at or event.at
        self._step = event.step or self._step
        match event:
            case TaskStatusChanged(status=status):
                self._status = status
            case ModelCompleted(usage=usage):
                self._usage += usage
            case ToolStarted(call=call):
                self._running_calls[call.id] = (call, time.monotonic())
            case ToolCompleted(result=result) | ToolFailed(result=result):
                self._running_calls.pop(result.call_id, None)

    def _render(self) -> Group:
        return Group(*self._response_lines(), *self._call_lines(), self._status_line())

    def _response_lines(self) -> Iterator[Text]:
        """Yield the end of the response in progress; of its reasoning while there is no text yet."""
        style, text = "italic", self._response.text
        if not text:
            style, text = "dim italic", self._response.thinking
        if not text:
            return
        width = max(10, self._console.width - _INDENT)
        lines = Text(printable(text[-width * _RESPONSE_LINES :]), style=style).wrap(self._console, width)
        for line in lines[-_RESPONSE_LINES:]:
            line.pad_left(_INDENT)
            yield line

    def _call_lines(self) -> Iterator[Text]:
        for call, started_at in list(self._running_calls.values()):
            line = f"   … {printable(call.name)} ({time.monotonic() - started_at:.0f} s) {arguments_text(call)}"
            yield Text(line, style="cyan", no_wrap=True, overflow="ellipsis")

    def _status_line(self) -> Spinner:
        elapsed_s = 0.0
        if self._started_at is not None:
            elapsed_s = max(0.0, (datetime.now(UTC) - self._started_at).total_seconds())
        facts = [self._status, *([f"step {self._step}", self._response.model] if self._step else [])]
        facts += [f"{self._usage.tokens:,} tokens", *cost_text(self._usage), f"{elapsed_s:.0f} s"]
        if self._connection_lost:
            facts = ["connection lost, retrying; the task goes on meanwhile"]
        self._spinner.update(text=Text(" · ".join(facts), style="dim", no_wrap=True, overflow="ellipsis"))
        return self._spinner
