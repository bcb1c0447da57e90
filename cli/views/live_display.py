"""Show a task on a terminal as it goes on: what happened above, and below what happens now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from agentkit.client import (
    Lost,
    ModelCompleted,
    Regained,
    StreamedAnswer,
    TaskEvent,
    TaskStatusChanged,
    ToolCompleted,
    ToolFailed,
    ToolStarted,
    Update,
)
from agentkit.messages import ToolCall, Usage
from cli.views.console import printable
from cli.views.step_lines import call_text
from cli.views.task_display import PlainLines, cost_text

__all__ = ["LiveDisplay"]

_TAIL_LINES = 8
"""Lines of the answer in progress that are shown."""
_INDENT = 3


class LiveDisplay(PlainLines):
    """Plain lines above; below the answer as it is written, the tools that work, and a line that moves."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._answer = StreamedAnswer()
        self._working: dict[str, tuple[ToolCall, float]] = {}
        """Tool calls under way, with when we learned of them, by id."""
        self._status = "starting"
        self._step = 0
        self._spent = Usage()
        self._since: datetime | None = None
        self._lost = False
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            get_renderable=self._render, console=console, refresh_per_second=10, transient=True, redirect_stderr=True
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
        self._answer.take(update)
        match update:
            case Lost():
                self._lost = True
            case Regained(seconds=seconds):
                self._lost = False
                note = f"-- connection lost for {seconds:.0f} s; what happened meanwhile follows --"
                self._console.print(note, style="yellow", soft_wrap=True)
            case _:
                self._note(update)
                super().show(update)

    def _note(self, event: TaskEvent) -> None:
        self._since = self._since or event.at
        self._step = event.step or self._step
        match event:
            case TaskStatusChanged(status=status):
                self._status = status
            case ModelCompleted(usage=usage):
                self._spent += usage
            case ToolStarted(call=call):
                self._working[call.id] = (call, time.monotonic())
            case ToolCompleted(result=result) | ToolFailed(result=result):
                self._working.pop(result.call_id, None)

    def _render(self) -> Group:
        return Group(*self._said(), *self._tools(), self._line())

    def _said(self) -> Iterator[Text]:
        """Yield the end of the answer that is being written; before it begins, the end of the thought."""
        style, said = ("italic", self._answer.text) if self._answer.text else ("dim italic", self._answer.thinking)
        if not said:
            return
        width = max(10, self._console.width - _INDENT)
        lines = Text(printable(said[-width * _TAIL_LINES :]), style=style).wrap(self._console, width)
        for line in lines[-_TAIL_LINES:]:
            line.pad_left(_INDENT)
            yield line

    def _tools(self) -> Iterator[Text]:
        for call, begun in list(self._working.values()):
            line = f"   … {printable(call.name)} ({time.monotonic() - begun:.0f} s) {call_text(call)}"
            yield Text(line, style="cyan", no_wrap=True, overflow="ellipsis")

    def _line(self) -> Spinner:
        seconds = 0.0 if self._since is None else max(0.0, (datetime.now(UTC) - self._since).total_seconds())
        facts = [self._status, *([f"step {self._step}", self._answer.model] if self._step else [])]
        facts += [f"{self._spent.tokens:,} tokens", *cost_text(self._spent.cost_usd), f"{seconds:.0f} s"]
        if self._lost:
            facts = ["connection lost, retrying; the task goes on meanwhile"]
        self._spinner.update(text=Text(" · ".join(facts), style="dim", no_wrap=True, overflow="ellipsis"))
        return self._spinner
