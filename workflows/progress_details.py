"""A task's progress as Markdown for the Temporal Web UI: the workflow's current details."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from agentkit.errors import ModelError
    from agentkit.input_requests import InputAnswer, InputRequest
    from agentkit.messages import Message, ToolCall, ToolResult, Usage

__all__ = ["ProgressDetails", "call_summary", "shorten"]

_MAX_LINE_CHARS = 120
_MAX_ERROR_CHARS = 500
_MAX_LINES = 40
"""Lines kept; the oldest are dropped."""


def shorten(text: str, max_chars: int = _MAX_LINE_CHARS) -> str:
    """Return the text on one line of at most ``max_chars`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


def call_summary(call: ToolCall) -> str:
    """Return a tool call on one line: ``calculator(expression="6*7")``."""
    arguments = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in call.arguments.items())
    return shorten(f"{call.name}({arguments})")


class ProgressDetails:
    """The newest lines of what happened; each method adds some and updates the workflow's current details."""

    def __init__(self) -> None:
        self.doing = "starting"
        """The current activity of the task, for people."""
        self._lines: deque[str] = deque(maxlen=_MAX_LINES)

    def model_requested(self, step: int, model: str) -> None:
        """Add a step's request to a model."""
        self._lines.append(f"**Step {step}** {model}")
        self.doing = f"step {step}: asking {model}"
        self._update()

    def model_responded(self, message: Message) -> None:
        """Add a model's response."""
        if message.text:
            self._lines.append(f"- says: {shorten(message.text)}")
        self._lines.extend(f"- calls `{call_summary(call)}`" for call in message.tool_calls)
        if message.tool_calls:
            self.doing = f"calling {', '.join(call.name for call in message.tool_calls)}"
        self._update()

    def model_failed(self, model: str, error: ModelError) -> None:
        """Add the failure of a model; another of the chain may follow."""
        self._lines.append(f"- {model} failed ({type(error).__name__}): {shorten(str(error))}")

    def plan_updated(self, plan: Sequence[str]) -> None:
        """Add a new plan."""
        self._lines.extend(["**Plan**", *(f"{number}. {shorten(part)}" for number, part in enumerate(plan, 1))])
        self._update()

    def tool_finished(self, result: ToolResult) -> None:
        """Add a tool's result."""
        outcome = "failed" if result.is_error else "gave"
        self._lines.append(f"- {result.name} {outcome}: {shorten(result.content)}")
        self._update()

    def asked(self, request: InputRequest) -> None:
        """Add a request for a person's answer, with how to give it."""
        self._lines.append(f"- **asks** `{request.id}` ({request.kind}): {shorten(request.message, _MAX_ERROR_CHARS)}")
        if request.arguments:
            call = ToolCall(id="", name=request.tool or "", arguments=request.arguments)
            self._lines.append(f"  `{call_summary(call)}`")
        self.doing = f"waiting for a person to answer {request.id}"
        self._update()

    def answered(self, answer: InputAnswer) -> None:
        """Add the answer that settles a request."""
        who = f" ({shorten(answer.by)})" if answer.by else ""
        comment = f": {shorten(answer.comment)}" if answer.comment else ""
        self._lines.append(f"- `{answer.input_request_id}` answered: {answer.decision}{who}{comment}")
        self.doing = "going on"
        self._update()

    def ended(self, status: str, usage: Usage, error: str | None) -> None:
        """Put the task's final status, usage and error above the lines."""
        self.doing = ""
        spent = f"{usage.tokens:,} tokens, {usage.model_calls} model calls, {usage.tool_calls} tool calls"
        head = [f"**{status}** ({spent})", *([] if error is None else [f"> {shorten(error, _MAX_ERROR_CHARS)}"])]
        workflow.set_current_details("\n\n".join([*head, *self._lines]))

    def _update(self) -> None:
        workflow.set_current_details("\n\n".join([f"_{self.doing}_", *self._lines]))
