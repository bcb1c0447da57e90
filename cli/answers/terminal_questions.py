"""Ask on the terminal what a task asks, while its events go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Protocol

from rich.console import Console
from rich.text import Text

from activities.shell_commands import with_local_commands
from agentkit.client import (
    ClientError,
    InputAnswered,
    InputRequested,
    OpspawnClient,
    RequestRefused,
    Task,
    TaskStatusChanged,
    TaskUpdate,
)
from agentkit.input_requests import InputAnswer, InputRequest, answer_example
from cli.answers.form_questions import fields_of, typed_form
from cli.answers.pending_requests import pending_requests
from cli.answers.terminal_input import TerminalInput
from cli.answers.text_editor import arguments_text, changed_arguments, edit_text, interrupts_ignored
from cli.answers.typed_answers import Edit, Skip, Typed, Unclear, prompt, typed_answer
from cli.answers.typed_json import parse_typed_json
from cli.command_options import Answerer
from cli.errors import CommandFailed
from cli.views.answer_commands import AnswerCommands
from cli.views.console import printable, write_message
from cli.views.input_request_lines import asks_about_call, request_lines
from cli.views.step_lines import write_step_line

__all__ = ["SuspendableDisplay", "TerminalQuestions"]

_SETTLED = ("already-answered", "answer-expired", "input-request-not-found", "task-ended", "task-not-found")
"""Verdicts after which there is nothing left to answer."""
_INDENT = 5


class SuspendableDisplay(Protocol):
    """A display that can leave the terminal to a question."""

    def suspended(self) -> AbstractContextManager[None]:
        """Print nothing meanwhile, and afterwards what happened."""
        ...


class _Withdrawn(Exception):
    """The request needs no answer any more: the message says why."""


class TerminalQuestions:
    """Asks for one answer after the other, in the order of the requests."""

    def __init__(
        self,
        task: Task,
        answerer: Answerer,
        terminal: TerminalInput,
        console: Console,
        display: SuspendableDisplay,
        commands: AnswerCommands,
    ) -> None:
        self._task = task
        self._answerer = answerer
        self._terminal = terminal
        self._console = console
        self._display = display
        self._commands = commands
        self._open: dict[str, InputRequest] = {}
        """What the events say is asked, and this person has neither answered nor skipped."""
        self._wake = asyncio.Event()
        self._asked: InputRequest | None = None
        self._draft = ""
        """What the person has edited last, and what can't be used as it is."""
        self._withdrawn: asyncio.Future[str] | None = None
        """Of the request that is asked now: done when its answer is not needed any more, with the reason."""

    @property
    def commands_for_later(self) -> list[str]:
        """The commands that answer what is open, oldest first."""
        return [command for request in self._open.values() for command in self._commands_for(request)]

    def on_update(self, update: TaskUpdate) -> None:
        """Record what happened in the task."""
        match update:
            case InputRequested(input_request=request):
                self._open[request.id] = request
            case InputAnswered(input_request_id=request_id, is_settled=True):
                by = f" by {update.answered_by}" if update.answered_by else ""
                self._withdraw(request_id, f"{request_id} is answered already: {update.decision}{by}.")
            case TaskStatusChanged(status="running") if self._asked is not None:
                self._withdraw(self._asked.id, f"{self._asked.id} is not asked any more.")
            case _:
                return
        self._wake.set()

    async def run(self, client: OpspawnClient, terminal_lock: asyncio.Lock) -> None:
        """Ask whenever the task asks, until it is cancelled; when it is called again, first what is still open."""
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (request := await self._next_request(client)) is not None:
                async with terminal_lock, self._asking(request):
                    await self._ask(client, request)

    async def _next_request(self, client: OpspawnClient) -> InputRequest | None:
        """Return the oldest request to ask; the API is asked, because events may be of long ago."""
        if not self._open or not self._terminal.is_ours:
            return None
        try:
            requests = await pending_requests(await client.get(self._task.id), client)
        except ClientError:  # the stream of events reports it
            return None
        return next((request for request in requests if request.id in self._open), None)

    @asynccontextmanager
    async def _asking(self, request: InputRequest) -> AsyncIterator[None]:
        self._draft = ""
        self._asked, self._withdrawn = request, asyncio.get_running_loop().create_future()
        try:
            with self._display.suspended():
                yield
        finally:
            self._asked = self._withdrawn = None

    def _withdraw(self, request_id: str, reason: str) -> None:
        self._open.pop(request_id, None)
        if self._asked is None or self._asked.id != request_id or self._withdrawn is None or self._withdrawn.done():
            return
        self._withdrawn.set_result(reason)

    async def _ask(self, client: OpspawnClient, request: InputRequest) -> None:
        """Ask until the request is answered, skipped, or answered elsewhere."""
        for line in request_lines(request):
            write_step_line(self._console, line)
        if asks_about_call(request) and request.arguments is None:
            self._skip(request)
            return
        try:
            while True:
                typed = await self._typed(request)
                if isinstance(typed, Edit):
                    typed = await self._edited(request)
                match typed:
                    case Skip():
                        self._skip(request)
                        return
                    case InputAnswer() if await self._send(client, request, typed):
                        return
                    case Unclear(message=message):
                        self._say(message)
        except _Withdrawn as withdrawn:
            self._say(str(withdrawn))

    async def _typed(self, request: InputRequest) -> Typed:
        if fields_of(request):
            return await typed_form(request, self._line, self._say)
        line = await self._line(prompt(request))
        return Skip() if line is None else typed_answer(request, line)

    async def _line(self, text: str) -> str | None:
        """Return the line that is typed after a prompt; None at the end of input."""
        self._terminal.discard()
        self._console.print(Text(f"{' ' * _INDENT}{text}", style="bold"), end="", soft_wrap=True)
        ends_line = False
        try:
            line = await self._unless_withdrawn(asyncio.create_task(self._terminal.read_line()))
            ends_line = line is not None
        finally:
            if not ends_line:
                self._terminal.discard()
                self._console.print()
        return line

    async def _unless_withdrawn(self, reading: asyncio.Task[str | None]) -> str | None:
        assert self._withdrawn is not None
        try:
            await asyncio.wait((reading, self._withdrawn), return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
        if self._withdrawn.done():
            raise _Withdrawn(self._withdrawn.result())
        return await reading

    async def _edited(self, request: InputRequest) -> Typed:
        """Return the approval with the edited arguments, or the edited answer."""
        is_call = asks_about_call(request)
        before = self._draft or (arguments_text(request.arguments or {}) if is_call else _answer_draft(request))
        try:
            after = await _edit(before)
        except CommandFailed as failed:
            return Unclear(str(failed))
        assert self._withdrawn is not None
        if self._withdrawn.done():
            raise _Withdrawn(self._withdrawn.result())
        if not after.strip():
            return Unclear("The file is empty, so nothing is answered.")
        try:
            if not is_call:
                return typed_answer(request, json.dumps(parse_typed_json(after)))
            arguments = changed_arguments(request.arguments or {}, after)
        except ValueError as error:
            self._draft = after
            return Unclear(f"{error}. Nothing is answered; e edits it again.")
        return InputAnswer(input_request_id=request.id, decision="approve", arguments=arguments)

    async def _send(self, client: OpspawnClient, request: InputRequest, answer: InputAnswer) -> bool:
        """Send the answer, and return whether that is all: else the person is asked again."""
        try:
            fields = answer.model_dump(mode="json", exclude={"input_request_id"})
            task = await client.answer(
                self._task.id,
                request.id,
                **fields | {"sha256": request.sha256},
                answered_by=self._answerer.name,
                groups=self._answerer.groups,
            )
        except RequestRefused as refused:
            self._say(with_local_commands(str(refused)))
            if refused.kind not in _SETTLED:
                return False
        except ClientError as failed:
            self._say(with_local_commands(str(failed)))
            return False
        else:
            if task.waiting_for_worker:
                self._say("No worker runs: the answer is stored, and counts as soon as one does.")
        self._open.pop(request.id, None)
        return True

    def _skip(self, request: InputRequest) -> None:
        self._open.pop(request.id, None)
        lines = [f"  {command}" for command in self._commands_for(request)]
        self._say("\n".join(["To answer later:", *lines]))

    def _commands_for(self, request: InputRequest) -> list[str]:
        return list(self._commands.answering(request, self._task.id))

    def _say(self, text: str) -> None:
        for line in text.splitlines():
            write_message(self._console, f"{' ' * _INDENT}{printable(line)}", indent=_INDENT)


def _answer_draft(request: InputRequest) -> str:
    """Return what a person edits to answer: of a form, all of its fields."""
    return arguments_text(json.loads(answer_example(request))["answer"]) if fields_of(request) else "\n"


async def _edit(text: str) -> str:
    """Return the edited text; waits for the editor's end, even when it is cancelled meanwhile."""
    with interrupts_ignored():
        editing = asyncio.create_task(asyncio.to_thread(edit_text, text))
        try:
            return await asyncio.shield(editing)
        except asyncio.CancelledError:
            await asyncio.wait((editing,))
            raise
