"""A task's messages as lines for people: steps, tool calls, tool results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from rich.text import Text

from agentkit.messages import ImagePart, Message, TextPart, ToolCall, ToolResult
from cli.console import one_line, printable

__all__ = ["Steps", "output_text"]

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
            yield from _indented(self._held, "italic")
            self._held = ""
        match message.role:
            case "user":
                yield _line("you ", "bold", one_line(_said(message), _WIDTH))
            case "assistant":
                yield from self._answer(message)
            case "tool":
                results = (part for part in message.parts if isinstance(part, ToolResult))
                for result in results:
                    style = "red" if result.is_error else "green"
                    yield _line(f"   ← {result.name} ", style, one_line(result.content, _WIDTH))

    def _answer(self, message: Message) -> Iterator[Text]:
        self._step += 1
        yield _line(f"step {self._step} ", "bold cyan", message.model or "")
        if not message.tool_calls:
            self._held = message.text
            return
        if message.text:
            yield from _indented(message.text, "italic")
        for call in message.tool_calls:
            yield _line(f"   → {call.name} ", "cyan", one_line(_arguments(call), _WIDTH))


def output_text(output: object) -> str:
    """Return a task's output as text: JSON where it is an object."""
    return output if isinstance(output, str) else json.dumps(output, indent=2, ensure_ascii=False)


def _said(message: Message) -> str:
    return " ".join(_input_parts(message))


def _input_parts(message: Message) -> Iterable[str]:
    for part in message.parts:
        if isinstance(part, TextPart):
            yield part.text
        elif isinstance(part, ImagePart):
            yield f"[image {part.url or part.media_type}]"


def _arguments(call: ToolCall) -> str:
    return call.malformed or json.dumps(call.arguments, ensure_ascii=False)


def _line(label: str, style: str, text: str) -> Text:
    return Text.assemble((label, style), text)


def _indented(text: str, style: str) -> Iterator[Text]:
    for line in printable(text).splitlines():
        yield Text(f"   {line}", style=style)
