"""A task's progress as Markdown for the Temporal Web UI: the workflow's current details."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from agentkit.errors import ModelError, NotDone, OpspawnError
    from agentkit.input_requests import DECISIONS, InputAnswer, InputRequest, answer_example
    from agentkit.interfaces import Done, ProbeOutcome
    from agentkit.messages import Message, ToolCall, ToolResult, Usage

__all__ = ["ProgressDetails", "call_summary", "request_markdown", "shorten"]

_MAX_LINE_CHARS = 120
_MAX_ERROR_CHARS = 500
_MAX_LINES = 40
"""Lines kept; the oldest are dropped."""
_MAX_REQUESTS = 5
"""Open input requests that are shown with their arguments."""
_MAX_ARGUMENTS_CHARS = 4_000
"""Of one request; longer ones are read by a query, never shown in part: a person must not approve what is cut off."""
_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#+!|~:-]")
"""Characters that Markdown gives a meaning."""
_PROBE_OUTCOMES = {Done: "it took effect", NotDone: "it did not take effect"}


def shorten(text: str, max_chars: int = _MAX_LINE_CHARS) -> str:
    """Return the text on one line of at most ``max_chars`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


def call_summary(call: ToolCall) -> str:
    """Return a tool call on one line: ``calculator(expression="6*7")``."""
    arguments = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in call.arguments.items())
    return shorten(f"{call.name}({arguments})")


def request_markdown(request: InputRequest, task_id: str) -> str:
    """Return an open input request with its arguments, and how to answer it."""
    example, decisions = answer_example(request), DECISIONS.get(request.kind, ())
    command = f"temporal workflow signal --workflow-id {task_id} --name answer_input --input '{example}'"
    return "\n\n".join(
        [
            f"### Waits for your answer to `{request.id}`",
            _message_markdown(request),
            *_answer_markdown(request),
            *_arguments_markdown(request, task_id),
            *([f"The model's reason: {shorten(request.reason, _MAX_ERROR_CHARS)}"] if request.reason else []),
            *([f"Who should answer: {', '.join(request.approvers)}"] if request.approvers else []),
            f"Answer here, by **More Actions**, **Send a Signal**, with the name `answer_input` and this input, whose "
            f"`decision` is {' or '.join(f'`{decision}`' for decision in decisions)}; `comment` may be added:",
            f"```json\n{example}\n```",
            f"Or in a terminal:\n\n```sh\n{command}\n```",
        ]
    )


def _message_markdown(request: InputRequest) -> str:
    """Return the message; that of an MCP server is shown as it is, for it could be a link or an image."""
    text = shorten(request.message, _MAX_ERROR_CHARS)
    return _MARKUP.sub(r"\\\g<0>", text) if request.kind == "elicitation" else text


def _answer_markdown(request: InputRequest) -> list[str]:
    """Return the page that an MCP server asks to open, or its form."""
    if request.url is not None:
        return [f"The page, which nothing has opened:\n\n```text\n{request.url}\n```"]
    if request.kind != "elicitation" or request.answer_schema is None:
        return []
    schema = json.dumps(request.answer_schema, indent=2, ensure_ascii=False)
    if len(schema) > _MAX_ARGUMENTS_CHARS:
        return ["The `schema` of the answer is too long for here: the query `input_requests` has it."]
    return [f"The answer must fit\n\n```json\n{schema}\n```"]


def _arguments_markdown(request: InputRequest, task_id: str) -> list[str]:
    if request.tool is None or request.kind not in ("approval", "unknown_outcome"):
        return []
    # An indented line of JSON can't end the block: line breaks within its texts are escaped.
    arguments = json.dumps(request.arguments, indent=2, ensure_ascii=False)
    if request.arguments is None or len(arguments) > _MAX_ARGUMENTS_CHARS:
        query = f"temporal workflow query --workflow-id {task_id} --type input_requests"
        return [f"`{request.tool}` with arguments that are too long for here. Read them first:", f"```sh\n{query}\n```"]
    return [f"`{request.tool}` with", f"```json\n{arguments}\n```"]


class ProgressDetails:
    """The newest lines of what happened; each method adds some and updates the workflow's current details."""

    def __init__(self) -> None:
        self.doing = "starting"
        """The current activity of the task, for people."""
        self._lines: deque[str] = deque(maxlen=_MAX_LINES)
        self._open_requests: dict[str, InputRequest] = {}

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

    def compacting(self, count: int) -> None:
        """Show that the transcript is being shortened."""
        self.doing = f"shortening the transcript of {count} messages"
        self._update()

    def compacted(self, messages: tuple[int, int], tokens: tuple[int, int]) -> None:
        """Add that the transcript was shortened; each pair is a count before and after."""
        before_after = f"from {messages[0]:,} messages to {messages[1]:,}, from {tokens[0]:,} tokens to {tokens[1]:,}"
        self._lines.append(f"- **transcript shortened** {before_after}")
        self._update()

    def compaction_failed(self, error: OpspawnError) -> None:
        """Add that the transcript could not be shortened."""
        self._lines.append(f"- the transcript can't be shortened ({type(error).__name__}): {shorten(str(error))}")
        self._update()

    def plan_updated(self, plan: Sequence[str]) -> None:
        """Add a new plan."""
        self._lines.extend(["**Plan**", *(f"{number}. {shorten(part)}" for number, part in enumerate(plan, 1))])
        self._update()

    def tool_finished(self, result: ToolResult) -> None:
        """Add a tool's result."""
        outcome = "failed" if result.is_error else "gave"
        self._lines.append(f"- {result.name} {outcome}: {shorten(result.content)}")
        self._update()

    def probing(self, tool: str, error: str) -> None:
        """Add that an irreversible call was cut off, and that its probe is asked."""
        self._lines.append(f"- {tool} was **cut off**: {shorten(error, _MAX_ERROR_CHARS)}")
        self.doing = f"asking the probe of {tool} whether the call took effect"
        self._update()

    def probed(self, tool: str, outcome: ProbeOutcome) -> None:
        """Add what the probe has found."""
        found = _PROBE_OUTCOMES.get(type(outcome), "it can't tell")
        self._lines.append(f"- the probe of {tool} has found: {found}")
        self._update()

    def asked(self, request: InputRequest) -> None:
        """Add a request for a person's answer; it stands above the lines until it is answered."""
        self._lines.append(f"- **asks** `{request.id}` ({request.kind}): {_message_markdown(request)}")
        self._open_requests[request.id] = request
        self.doing = f"waiting for a person to answer {request.id}"
        self._update()

    def answered(self, answer: InputAnswer) -> None:
        """Add the answer that settles a request."""
        who = f" ({shorten(answer.answered_by)})" if answer.answered_by else ""
        comment = f": {shorten(answer.comment)}" if answer.comment else ""
        self._lines.append(f"- `{answer.input_request_id}` answered: {answer.decision}{who}{comment}")
        self._open_requests.pop(answer.input_request_id, None)
        self.doing = "going on"
        if self._open_requests:
            self.doing = f"waiting for a person to answer {', '.join(self._open_requests)}"
        self._update()

    def paused(self, status: str) -> None:
        """Add that the task goes on when a person wants it to; ``status`` says what it is until then."""
        self._lines.append(f"- **{status}**")
        self.doing = "paused" if status == "paused" else "waiting for more time"
        self._update()

    def ended(self, status: str, usage: Usage, error: str | None) -> None:
        """Put the task's final status, usage and error above the lines."""
        self.doing = ""
        spent = f"{usage.tokens:,} tokens, {usage.model_calls} model calls, {usage.tool_calls} tool calls"
        head = [f"**{status}** ({spent})", *([] if error is None else [f"> {shorten(error, _MAX_ERROR_CHARS)}"])]
        workflow.set_current_details("\n\n".join([*head, *self._lines]))

    def _update(self) -> None:
        task_id = workflow.info().workflow_id if self._open_requests else ""
        shown = list(self._open_requests.values())[:_MAX_REQUESTS]
        requests = [request_markdown(request, task_id) for request in shown]
        separator = ["---"] if requests else []
        workflow.set_current_details("\n\n".join([f"*{self.doing}*", *requests, *separator, *self._lines]))
