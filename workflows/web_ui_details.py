"""What people read of a task in the Temporal Web UI: summaries of its calls, and how far it is."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from agentkit.errors import ModelError
    from agentkit.interfaces import ModelResponse
    from agentkit.messages import ToolCall, ToolResult, Usage

__all__ = ["Story", "call_summary", "clipped"]

_SUMMARY_CHARS = 120
_LINES = 40


def clipped(text: str, limit: int = _SUMMARY_CHARS) -> str:
    """Return the text on one line, cut at ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def call_summary(call: ToolCall) -> str:
    """Return a tool call as a line: ``calculator(expression="6*7")``."""
    arguments = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in call.arguments.items())
    return clipped(f"{call.name}({arguments})")


class Story:
    """The newest lines of what happened, as Markdown in the workflow's current details."""

    def __init__(self) -> None:
        self.doing = "starting"
        """What the task does now."""
        self._lines: deque[str] = deque(maxlen=_LINES)

    def asks(self, step: int, model: str) -> None:
        """A model is asked."""
        self._lines.append(f"**Step {step}** {model}")
        self.doing = f"step {step}: asking {model}"
        self._show()

    def answered(self, response: ModelResponse) -> None:
        """It answered."""
        if text := response.message.text:
            self._lines.append(f"- says: {clipped(text)}")
        self._lines.extend(f"- calls `{call_summary(call)}`" for call in response.message.tool_calls)
        if calls := response.message.tool_calls:
            self.doing = f"calling {', '.join(call.name for call in calls)}"
        self._show()

    def fails(self, model: str, error: ModelError) -> None:
        """A model failed for good; another may be asked in its place."""
        self._lines.append(f"- {model} failed ({type(error).__name__}): {clipped(str(error))}")

    def plans(self, plan: Sequence[str]) -> None:
        """The model made a plan."""
        self._lines.extend(["**Plan**", *(f"{number}. {clipped(step)}" for number, step in enumerate(plan, 1))])
        self._show()

    def acted(self, call: ToolCall, result: ToolResult) -> None:
        """A tool call came to something."""
        what = "failed" if result.is_error else "gave"
        self._lines.append(f"- {call.name} {what}: {clipped(result.content)}")
        self._show()

    def told(self, status: str, usage: Usage, error: str | None) -> str:
        """Return the whole, when the task ends."""
        self.doing = ""
        spent = f"{usage.tokens:,} tokens, {usage.model_calls} model calls, {usage.tool_calls} tool calls"
        head = [f"**{status}** ({spent})", *([] if error is None else [f"> {clipped(error, 500)}"])]
        return "\n\n".join([*head, *self._lines])

    def _show(self) -> None:
        workflow.set_current_details("\n\n".join([f"_{self.doing}_", *self._lines]))
