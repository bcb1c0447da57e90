"""Render a turn's events as lines of a chat: the streaming response, tool calls, memories."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from agentkit.client import (
    ContextCompacted,
    MemoryRecalled,
    ModelCompleted,
    ModelDeltaReceived,
    ModelFailed,
    ModelReset,
    ModelStarted,
    TaskEvent,
    TaskStarted,
    TaskStatusChanged,
)
from cli.views.console import printable
from cli.views.live_display import LiveDisplay
from cli.views.step_lines import EventLines
from cli.views.task_display import PlainLines

__all__ = ["ChatDisplay", "ChatLines", "PlainChat"]

_KEPT_LINES = 6
"""Number of terminal lines that the streaming line leaves free."""


class ChatLines:
    """Renders a turn's events as lines; each line of a response is rendered when it is complete."""

    def __init__(self) -> None:
        self.response = ""
        """The text of the last response that is complete."""
        self.unfinished = ""
        """The text of the line that is streaming in."""
        self._shown = ""
        """The complete lines of the streaming response, which have been shown, each with its newline."""
        self._event_lines = EventLines()

    def render(self, event: TaskEvent) -> Iterator[Text]:
        """Yield the lines of the next event; none for events that people needn't see."""
        match event:
            case TaskStarted() | TaskStatusChanged(status="running" | "waiting"):
                return  # the person has typed the input, and is asked in place
            case ModelStarted():
                self._restart()
            case ModelDeltaReceived(kind="text"):
                yield from self._next_lines(event.text)
            case ModelReset():
                yield from self._begin_again()
            case ModelFailed():
                yield from self._begin_again()
                yield from self._event_lines.render(event)
            case ModelCompleted(message=message):
                yield from self._rest("" if message is None else message.text)
            case MemoryRecalled(memories=memories) if memories:
                count = f"{len(memories)} memor{'y' if len(memories) == 1 else 'ies'}"
                yield Text(f"   (recalled {count})", style="dim")
            case ContextCompacted():
                change = f"{event.tokens_before:,} to {event.tokens_after:,} tokens"
                yield Text(f"   (older messages were shortened: {change})", style="dim")
            case _:
                yield from self._event_lines.render(event)

    def _restart(self) -> None:
        self.unfinished = self._shown = ""

    def _next_lines(self, text: str) -> Iterator[Text]:
        """Yield the lines that this text completes."""
        *complete, self.unfinished = (self.unfinished + text).split("\n")
        for line in complete:
            self._shown += f"{line}\n"
            yield _response_line(line)

    def _begin_again(self) -> Iterator[Text]:
        if self._shown:
            yield Text("   (the response starts again)", style="dim")
        self._restart()

    def _rest(self, text: str) -> Iterator[Text]:
        """Yield the lines of a complete response that aren't shown yet."""
        self.response = text
        if not text.startswith(self._shown):  # some of it was not received
            yield from self._begin_again()
        rest = text.removeprefix(self._shown)
        self._restart()
        yield from map(_response_line, rest.splitlines())


class PlainChat(PlainLines):
    """Prints the lines of a turn."""

    def __init__(self, console: Console, lines: ChatLines) -> None:
        """Print ``lines`` to ``console``."""
        super().__init__(console, None, lines)


class ChatDisplay(LiveDisplay):
    """Draws a turn's lines and, below them, the streaming line, running tools and a status line."""

    def __init__(self, console: Console, lines: ChatLines) -> None:
        """Draw ``lines`` on ``console``."""
        self._chat_lines = lines
        super().__init__(console, None, lines)  # draws once

    def _response_lines(self) -> Iterator[Text]:
        """Yield the end of the streaming line; while there is no text yet, that of the reasoning."""
        if self._response.text or not self._response.thinking:
            text = self._chat_lines.unfinished
            lines = [*Text(printable(text)).wrap(self._console, self._console.width)] if text else []
            yield from lines[-max(1, self._console.height - _KEPT_LINES) :]
        else:
            yield from super()._response_lines()


def _response_line(line: str) -> Text:
    return Text(printable(line), justify="left")
