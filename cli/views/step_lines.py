"""A task's messages and events as lines of text for people: steps, tool calls, tool results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from agentkit.client import (
    CallInterrupted,
    ContextCompacted,
    InputAnswered,
    InputRejected,
    InputRequested,
    LimitsRaised,
    MessageReceived,
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
    ToolProgressed,
    ToolRetrying,
    ToolStarted,
)
from agentkit.messages import FilePart, ImagePart, InputPart, Message, MessageSource, TextPart, ToolCall, ToolResult
from cli.views.answer_commands import AnswerCommands
from cli.views.console import one_line, printable, write_line
from cli.views.input_request_lines import heading_line, input_request_lines

__all__ = ["EventLines", "MessageLines", "arguments_text", "output_text", "write_step_line"]

_MAX_WIDTH = 160
"""Characters that are shown of a tool call, a tool result or an input."""
_HANGING_INDENT = 2


_LABELS: Mapping[MessageSource | None, str] = {
    None: "you",
    "planner": "feedback",
    "compaction": "summary",
    "memory": "memories",
}
"""Who or what wrote a message of the role ``user``."""


class MessageLines:
    """Turns a transcript into lines, message by message.

    A response without tool calls is shown only when another message follows: the last one is the task's output,
    which is printed separately.
    """

    def __init__(self) -> None:
        self._step = 0
        self._withheld = ""
        """Text of the previous response, not shown yet."""

    def render(self, message: Message) -> Iterator[Text]:
        """Yield the lines of the next message."""
        yield from _indented(self._withheld)
        self._withheld = ""
        match message.role:
            case "user":
                if message.summary_of is not None:
                    self._step += message.summary_of.responses
                parts = [part for part in message.parts if isinstance(part, TextPart | ImagePart | FilePart)]
                yield _input_line(parts, _LABELS[message.source])
            case "assistant":
                yield from self._response(message)
            case "tool":
                results = (part for part in message.parts if isinstance(part, ToolResult))
                yield from map(_result_line, results)

    def _response(self, message: Message) -> Iterator[Text]:
        self._step += 1
        yield _line(f"step {self._step} ", "bold cyan", message.model or "")
        if not message.tool_calls:
            self._withheld = message.text
            return
        yield from _indented(message.text)
        yield from map(_call_line, message.tool_calls)


class EventLines:
    """Turns a task's events into lines; like ``MessageLines`` it does not show the last response."""

    def __init__(self, commands: AnswerCommands | None = None) -> None:
        """Turn events into lines.

        Args:
            commands: those that answer input requests. None: only the first line of a request is shown, because the
                person is asked on this terminal.
        """
        self._commands = commands
        self._withheld = ""
        """Text of the previous response, not shown yet."""
        self._status = ""
        self._call_times: dict[str, datetime] = {}
        """When each running tool call was started, by its id."""
        self._probed_calls: set[str] = set()
        """Ids of the calls that were cut off, and that no person has been asked about."""

    def render(self, event: TaskEvent) -> Iterator[Text]:
        """Yield the lines of the next event; none for events without interest to people."""
        match event:
            case TaskStarted(input=task_input) if task_input is not None:
                yield _input_line(task_input)
            case TaskStatusChanged(status=status):
                if status in ("waiting", "paused") or self._status in ("waiting", "paused"):
                    yield _line("task ", "bold", f"is {status}")
                self._status = status
            case ModelStarted() | ModelRetrying() | ModelCompleted() | ModelFailed() | PlanUpdated():
                yield from self._model_lines(event)
            case ContextCompacted():
                yield _compaction_line(event)
            case ToolStarted() | ToolRetrying() | ToolProgressed() | ToolCompleted() | ToolFailed() | CallInterrupted():
                yield from self._tool_lines(event)
            case InputRequested() | InputAnswered() | InputRejected() | MessageReceived() | LimitsRaised():
                yield from self._people_lines(event)

    def _people_lines(
        self, event: InputRequested | InputAnswered | InputRejected | MessageReceived | LimitsRaised
    ) -> Iterator[Text]:
        match event:
            case InputRequested(input_request=request):
                if request.kind == "unknown_outcome" and request.call_id is not None:
                    self._probed_calls.discard(request.call_id)
                if self._commands is None:
                    yield heading_line(request)
                else:
                    yield from input_request_lines(request, event.task_id, self._commands)
            case InputAnswered() | InputRejected():
                yield _answer_line(event)
            case MessageReceived():
                by = f" ({event.sent_by})" if event.sent_by else ""
                yield _line(f"you{by} ", "bold", one_line(event.text, _MAX_WIDTH))
            case LimitsRaised():
                by = f" by {event.raised_by}" if event.raised_by else ""
                yield _line(f"   ! limits raised{by} ", "yellow", one_line(json.dumps(event.limits), _MAX_WIDTH))

    def _model_lines(
        self, event: ModelStarted | ModelRetrying | ModelCompleted | ModelFailed | PlanUpdated
    ) -> Iterator[Text]:
        match event:
            case ModelStarted():
                yield from _indented(self._withheld)
                self._withheld = ""
                yield _line(f"step {event.step} ", "bold cyan", event.model)
            case ModelRetrying():
                yield _retry_line(event.model, event.attempt, event.max_attempts, event.error.message)
            case ModelFailed():
                yield _line(f"   ✗ {event.model} ", "red", one_line(event.error.message, _MAX_WIDTH))
            case PlanUpdated():
                for number, entry in enumerate(event.plan, 1):
                    yield _line(f"   {number}. ", "magenta", one_line(entry, _MAX_WIDTH))
            case ModelCompleted(message=message) if message is not None:
                if message.tool_calls:
                    yield from _indented(message.text)
                else:
                    self._withheld = message.text

    def _tool_lines(
        self, event: ToolStarted | ToolRetrying | ToolProgressed | ToolCompleted | ToolFailed | CallInterrupted
    ) -> Iterator[Text]:
        match event:
            case ToolStarted():
                self._call_times[event.call.id] = event.at
                yield _call_line(event.call)
            case ToolRetrying():
                yield _retry_line(event.call.name, event.attempt, event.max_attempts, event.error.message)
            case ToolProgressed():
                part = "" if event.fraction is None else f"{event.fraction:.0%} "
                yield _line(f"   … {event.call.name} ", "dim", one_line(f"{part}{event.text}", _MAX_WIDTH))
            case CallInterrupted():
                self._probed_calls.add(event.call.id)
                yield _interruption_line(event)
            case ToolCompleted() | ToolFailed():
                if isinstance(event, ToolFailed) and event.call is not None:
                    yield _call_line(event.call)
                started_at = self._call_times.pop(event.result.call_id, None)
                line = _result_line(event.result)
                notes = []
                if started_at is not None:
                    notes.append(_duration((event.at - started_at).total_seconds()))
                if event.result.call_id in self._probed_calls:
                    self._probed_calls.remove(event.result.call_id)
                    notes.append("found out by its probe")
                if notes:
                    line.append(f" ({', '.join(notes)})", "dim")
                yield line


def _answer_line(event: InputAnswered | InputRejected) -> Text:
    if isinstance(event, InputRejected):
        return _line("   ✗ answer ", "red", one_line(event.message, _MAX_WIDTH))
    by = f" by {event.answered_by}" if event.answered_by else ""
    comment = f": {event.comment}" if event.comment else ""
    changed = " with other arguments" if event.arguments_changed else ""
    more = "" if event.is_settled else "; more people must approve"
    text = one_line(f"{event.decision}{changed}{by}{comment}{more}", _MAX_WIDTH)
    return _line(f"   ! {event.input_request_id} ", "yellow", text)


def _interruption_line(event: CallInterrupted) -> Text:
    cause = one_line(event.error.message.removeprefix(f"{event.call.name} "), _MAX_WIDTH)
    return _line(
        f"   ! {event.call.name} ", "yellow", f"{cause} It is not called again; whether it took effect is checked."
    )


def write_step_line(console: Console, line: Text) -> None:
    """Write a line of ``MessageLines``, ``EventLines`` or ``ChatLines``, wrapped at words below its text."""
    if line.no_wrap:  # a command to copy
        console.print(line, soft_wrap=True)
        return
    text = line.plain
    hanging = 0 if line.justify == "left" else _HANGING_INDENT  # a response is flush left
    write_line(console, line, len(text) - len(text.lstrip()) + hanging)


def output_text(output: object) -> str:
    """Return a task's output as text: an object as JSON."""
    return output if isinstance(output, str) else json.dumps(output, indent=2, ensure_ascii=False)


def arguments_text(call: ToolCall) -> str:
    """Return a tool call's arguments on one line."""
    return one_line(call.malformed or json.dumps(call.arguments, ensure_ascii=False), _MAX_WIDTH)


def _input_line(task_input: str | Sequence[InputPart], label: str = "you") -> Text:
    if not isinstance(task_input, str):
        task_input = " ".join(
            part.text if isinstance(part, TextPart) else f"[{_attachment(part)}]" for part in task_input
        )
    return _line(f"{label} ", "bold", one_line(task_input, _MAX_WIDTH))


def _attachment(part: ImagePart | FilePart) -> str:
    return f"file {part.label}" if isinstance(part, FilePart) else f"image {part.url or part.media_type}"


def _call_line(call: ToolCall) -> Text:
    return _line(f"   → {call.name} ", "cyan", arguments_text(call))


def _result_line(result: ToolResult) -> Text:
    return _line(f"   ← {result.name} ", "red" if result.is_error else "green", one_line(result.content, _MAX_WIDTH))


def _retry_line(name: str, attempt: int, max_attempts: int | None, reason: str) -> Text:
    of_max = f" of {max_attempts}" if max_attempts else ""
    return _line(f"   ↻ {name} ", "yellow", f"attempt {attempt}{of_max}: {one_line(reason, _MAX_WIDTH)}")


def _compaction_line(event: ContextCompacted) -> Text:
    messages = f"{event.messages_before:,} → {event.messages_after:,} messages"
    tokens = f"about {event.tokens_before:,} → {event.tokens_after:,} tokens"
    return _line("   ≈ transcript shortened ", "magenta", f"{messages}, {tokens}")


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _line(label: str, style: str, text: str) -> Text:
    return Text.assemble((printable(label), style), text)


def _indented(text: str) -> Iterator[Text]:
    for line in printable(text).splitlines():
        yield Text(f"   {line}", style="italic")
