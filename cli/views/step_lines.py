"""A task's messages and events as lines for people: steps, tool calls, tool results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from agentkit.client import (
    ModelCompleted,
    ModelFailed,
    ModelRetrying,
    ModelStarted,
    PlanUpdated,
    TaskEvent,
    TaskStarted,
    TaskStatusChanged,
    ToolCompleted,
    ToolFailed,
    ToolRetrying,
    ToolStarted,
)
from agentkit.messages import ImagePart, InputPart, Message, TextPart, ToolCall, ToolResult
from cli.views.console import one_line, printable

__all__ = ["EventLines", "Steps", "call_text", "output_text"]

_WIDTH = 160
"""Characters of a tool call or result that a line shows."""


class Steps:
    """Turns messages into lines, in order.

    What the model says last is the task's output, which stands elsewhere: an answer without tool calls is held
    back, and shown only when another message follows it.
    """

    def __init__(self) -> None:
        self._step = 0
        self._held: str = ""

    def lines(self, message: Message) -> Iterator[Text]:
        """Yield the lines of the next message."""
        if self._held:
            yield from _indented(self._held)
            self._held = ""
        match message.role:
            case "user":
                parts = [part for part in message.parts if isinstance(part, TextPart | ImagePart)]
                yield _line("you ", "bold", one_line(_said(parts), _WIDTH))
            case "assistant":
                yield from self._answer(message)
            case "tool":
                results = (part for part in message.parts if isinstance(part, ToolResult))
                yield from map(_result, results)

    def _answer(self, message: Message) -> Iterator[Text]:
        self._step += 1
        yield _line(f"step {self._step} ", "bold cyan", message.model or "")
        if not message.tool_calls:
            self._held = message.text
            return
        if message.text:
            yield from _indented(message.text)
        yield from map(_call, message.tool_calls)


class EventLines:
    """Turns events into lines, in order; the last answer is held back as ``Steps`` does."""

    def __init__(self) -> None:
        self._held: str = ""
        self._status = ""
        self._begun: dict[str, datetime] = {}
        """When each tool call under way began, by its id."""

    def lines(self, event: TaskEvent) -> Iterator[Text]:
        """Yield the lines of the next event; none for what people need not read."""
        match event:
            case TaskStarted(input=given) if given is not None:
                said = given if isinstance(given, str) else _said(given)
                yield _line("you ", "bold", one_line(said, _WIDTH))
            case TaskStatusChanged(status=status):
                if status in ("waiting", "paused") or self._status in ("waiting", "paused"):
                    yield _line("task ", "bold", f"is {status}")
                self._status = status
            case ModelStarted() | ModelRetrying() | ModelCompleted() | ModelFailed() | PlanUpdated():
                yield from self._thought(event)
            case ToolStarted() | ToolRetrying() | ToolCompleted() | ToolFailed():
                yield from self._called(event)

    def _thought(
        self, event: ModelStarted | ModelRetrying | ModelCompleted | ModelFailed | PlanUpdated
    ) -> Iterator[Text]:
        match event:
            case ModelStarted():
                yield from _indented(self._held)
                self._held = ""
                yield _line(f"step {event.step} ", "bold cyan", event.model)
            case ModelRetrying():
                yield _retrying(event.model, event.attempt, event.max_attempts, event.error.message)
            case ModelFailed():
                yield _line(f"   ✗ {event.model} ", "red", one_line(event.error.message, _WIDTH))
            case PlanUpdated():
                for number, part in enumerate(event.plan, 1):
                    yield _line(f"   {number}. ", "magenta", one_line(part, _WIDTH))
            case ModelCompleted(message=message) if message is not None:
                if message.tool_calls:
                    yield from _indented(message.text)
                else:
                    self._held = message.text

    def _called(self, event: ToolStarted | ToolRetrying | ToolCompleted | ToolFailed) -> Iterator[Text]:
        match event:
            case ToolStarted():
                self._begun[event.call.id] = event.at
                yield _call(event.call)
            case ToolRetrying():
                yield _retrying(event.call.name, event.attempt, event.max_attempts, event.error.message)
            case ToolCompleted() | ToolFailed():
                if isinstance(event, ToolFailed) and event.call is not None:
                    yield _call(event.call)
                begun = self._begun.pop(event.result.call_id, None)
                line = _result(event.result)
                if begun is not None:
                    line.append(f" ({_duration((event.at - begun).total_seconds())})", "dim")
                yield line


def output_text(output: object) -> str:
    """Return a task's output as text: JSON where it is an object."""
    return output if isinstance(output, str) else json.dumps(output, indent=2, ensure_ascii=False)


def call_text(call: ToolCall) -> str:
    """Return a tool call's arguments on one line."""
    return one_line(call.malformed or json.dumps(call.arguments, ensure_ascii=False), _WIDTH)


def _said(parts: Sequence[InputPart]) -> str:
    return " ".join(
        part.text if isinstance(part, TextPart) else f"[image {part.url or part.media_type}]" for part in parts
    )


def _call(call: ToolCall) -> Text:
    return _line(f"   → {call.name} ", "cyan", call_text(call))


def _result(result: ToolResult) -> Text:
    return _line(f"   ← {result.name} ", "red" if result.is_error else "green", one_line(result.content, _WIDTH))


def _retrying(what: str, attempt: int, most: int | None, why: str) -> Text:
    of = f" of {most}" if most else ""
    return _line(f"   ↻ {what} ", "yellow", f"attempt {attempt}{of}: {one_line(why, _WIDTH)}")


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _line(label: str, style: str, text: str) -> Text:
    return Text.assemble((printable(label), style), text)


def _indented(text: str) -> Iterator[Text]:
    for line in printable(text).splitlines():
        yield Text(f"   {line}", style="italic")
