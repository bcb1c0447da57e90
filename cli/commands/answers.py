"""``opspawn approve``, ``deny`` and ``answer``: answer what a task asks."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated, get_args

import typer
from pydantic import JsonValue

from agentkit.client import JsonObject, OpspawnClient, Task
from agentkit.input_requests import DECISIONS, AnswerDecision, InputRequest, Remember
from agentkit.specs import RaisedLimits
from cli.answers.pending_requests import choose_request, pending_requests
from cli.answers.text_editor import arguments_text, changed_arguments, edit_text, interrupts_ignored
from cli.answers.typed_json import parse_typed_json
from cli.command_options import Answerer, AsJson, AsPerson, Groups, Server, TaskId, Url, parse_limits, text_argument
from cli.errors import CommandFailed, UsageWrong
from cli.views.console import err, out, write_json, write_message
from cli.views.notices import worker_notice
from cli.views.worker_watch import system_info

__all__ = ["answer", "approve", "deny"]

InputRequestId = Annotated[
    str | None,
    typer.Argument(metavar="[INPUT_REQUEST]", help="Such as input_1. Default: the only one that the task asks."),
]
Comment = Annotated[str | None, typer.Option(metavar="TEXT", help="For the model, and for the record.")]
RememberTool = Annotated[
    bool, typer.Option("--remember", help="Decide later calls of the same tool in this task likewise.")
]
RememberCall = Annotated[
    bool, typer.Option("--remember-same", help="Likewise, but only calls with the same arguments, too.")
]


def approve(
    task_id: TaskId,
    input_request: InputRequestId = None,
    edit: Annotated[bool, typer.Option("--edit", help="Edit the call's arguments in $EDITOR first.")] = False,
    comment: Comment = None,
    remember: RememberTool = False,
    remember_same: RememberCall = False,
    as_: AsPerson = None,
    group: Groups = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Approve a call that a task asks about.

    With --edit, the policy decides anew on other arguments; the same ones are approved; an empty file cancels.
    """
    sending = _Sending(Server(url), task_id, Answerer.of_options(as_, group), as_json)
    request = sending.find(input_request, "approve")
    fields: JsonObject = {"comment": comment, "remember": _remembered(remember, remember_same)}
    if edit:
        fields["arguments"] = _edited_arguments(request)
    sending.send(input_request, request, "approve", fields)


def deny(
    task_id: TaskId,
    input_request: InputRequestId = None,
    comment: Comment = None,
    remember: RememberTool = False,
    remember_same: RememberCall = False,
    as_: AsPerson = None,
    group: Groups = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Deny a call that a task asks about: it isn't made, and the model reads the comment."""
    sending = _Sending(Server(url), task_id, Answerer.of_options(as_, group), as_json)
    request = sending.find(input_request, "deny")
    fields: JsonObject = {"comment": comment, "remember": _remembered(remember, remember_same)}
    sending.send(input_request, request, "deny", fields)


def answer(
    task_id: TaskId,
    input_request: InputRequestId = None,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="The answer, or what the call returned; - reads stdin.")
    ] = None,
    decision: Annotated[
        str | None,
        typer.Option(metavar="DECISION", help=f"One of {', '.join(get_args(AnswerDecision))}."),
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A new limit, such as max_steps=60 or deadline=2h.")
    ] = None,
    json_answer: Annotated[bool, typer.Option("--json-answer", help="TEXT is JSON.")] = False,
    edit: Annotated[bool, typer.Option("--edit", help="Write TEXT in $EDITOR.")] = False,
    comment: Comment = None,
    as_: AsPerson = None,
    group: Groups = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Answer a question, say what became of a call, or raise a limit.

    With one of INPUT_REQUEST and TEXT, it is the id of a request if the task asks one of that id, else the text.
    """
    chosen = _decision(decision)
    limits = parse_limits(limit, RaisedLimits) if limit else None
    sending = _Sending(Server(url), task_id, Answerer.of_options(as_, group), as_json)
    if text is None and input_request is not None and not sending.asks(input_request):
        input_request, text = None, input_request
    if chosen is None and limits:
        chosen = "raise"
    request = sending.find(input_request, chosen)
    chosen = chosen or _usual_decision(request)
    value = _value(text, edit=edit, is_json=json_answer or _has_form(request))
    fields: JsonObject = {"comment": comment, "limits": limits}
    if chosen == "answer" and value is None and (request is None or request.url is None):
        raise UsageWrong("Write the answer: after the request's id, or with --edit.")
    if value is not None:
        fields["result" if chosen == "happened" else "answer"] = value
    sending.send(input_request, request, chosen, fields)


class _Sending:
    """Finds a task's request, and sends its answer."""

    def __init__(self, server: Server, task_id: str, answerer: Answerer, as_json: bool) -> None:
        self._server = server
        self._answerer = answerer
        self._as_json = as_json
        self._task, self._requests = server.call(partial(_read, task_id))

    def asks(self, request_id: str) -> bool:
        """Return whether the task asks, or asked, something with this id."""
        return any(request.id == request_id for request in self._requests) or request_id.startswith("input_")

    def find(self, request_id: str | None, decision: AnswerDecision | None) -> InputRequest | None:
        """Return the request that is meant, as ``choose_request`` does."""
        return choose_request(self._requests, request_id, decision, self._task)

    def send(
        self, request_id: str | None, request: InputRequest | None, decision: AnswerDecision, fields: JsonObject
    ) -> None:
        """Send the answer, and print what became of it.

        Raises:
            UsageWrong: the answer isn't accepted; the message says why.
        """
        chosen_id = request.id if request is not None else request_id or ""
        body = {**fields, "sha256": None if request is None else request.sha256}
        task = self._server.call(partial(self._answer, chosen_id, decision, body))
        if self._as_json:
            write_json(task.raw)
            return
        by = f", as {self._answerer.name}" if self._answerer.name else ""
        write_message(out, f"{chosen_id}: {decision}{by}.{_missing_approvals(task, chosen_id)}")
        if task.waiting_for_worker:
            notice = worker_notice(self._server.call(system_info))
            write_message(err, f"The answer is stored, and counts as soon as a worker runs. {notice}", style="yellow")
        write_message(out, f"See what follows: `{self._server.command_line('follow', task.id)}`", style="dim")

    async def _answer(
        self, request_id: str, decision: AnswerDecision, fields: dict[str, JsonValue], client: OpspawnClient
    ) -> Task:
        person = {"answered_by": self._answerer.name, "groups": self._answerer.groups}
        return await client.answer(self._task.id, request_id, decision, **fields, **person)  # type: ignore[arg-type]  # each field has the type of its parameter


async def _read(task_id: str, client: OpspawnClient) -> tuple[Task, tuple[InputRequest, ...]]:
    task = await client.get(task_id)
    return task, await pending_requests(task, client)


def _missing_approvals(task: Task, request_id: str) -> str:
    request = next((each for each in task.input_requests if each.id == request_id), None)
    if request is None or request.count == 1 or not request.answers:
        return ""
    return f" {len(request.answers)} of {request.count} people have approved."


def _remembered(tool: bool, call: bool) -> Remember | None:
    if call:
        return "task_same_arguments"
    return "task" if tool else None


def _decision(text: str | None) -> AnswerDecision | None:
    for decision in get_args(AnswerDecision):
        if decision == text:
            known: AnswerDecision = decision
            return known
    if text is None:
        return None
    raise UsageWrong(f"--decision {text}: expected one of {', '.join(get_args(AnswerDecision))}")


def _usual_decision(request: InputRequest | None) -> AnswerDecision:
    """Return what an answer without a decision means."""
    if request is None or request.kind in ("question", "elicitation"):
        return "answer"
    raise UsageWrong(
        f"{request.id} is of kind {request.kind!r}: name a --decision ({', '.join(DECISIONS[request.kind])})"
    )


def _has_form(request: InputRequest | None) -> bool:
    return request is not None and request.kind == "elicitation" and request.answer_schema is not None


def _value(text: str | None, *, edit: bool, is_json: bool) -> JsonValue:
    if edit:
        with interrupts_ignored():
            text = edit_text(text or "", "answer.json" if is_json else "answer.txt").strip()
        if not text:
            raise CommandFailed("The file is empty, so nothing is answered.")
    elif text == "-":
        text = text_argument(text, "TEXT", "write the answer").strip()
    if text is None or not is_json:
        return text
    try:
        return parse_typed_json(text)
    except ValueError as error:
        raise UsageWrong(f"{error}. Nothing is answered.") from None


def _edited_arguments(request: InputRequest | None) -> JsonObject | None:
    """Return the changed arguments; None when they are the same."""
    if request is None:
        raise UsageWrong("--edit: the task doesn't ask that (any more).")
    if request.arguments is None:
        raise CommandFailed("The arguments can't be read at the moment: they are long, and no worker runs.")
    text = arguments_text(request.arguments)
    while True:
        with interrupts_ignored():
            text = edit_text(text)
        if not text.strip():
            raise CommandFailed("The file is empty, so nothing is answered.")
        try:
            return changed_arguments(request.arguments, text)
        except ValueError as error:
            if (
                sys.stdin is None
                or not sys.stdin.isatty()
                or not typer.confirm(f"{error}. Edit again?", default=True, err=True)
            ):
                raise UsageWrong(f"{error}. Nothing is answered.") from None
