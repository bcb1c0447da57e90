"""The loop of ``opspawn chat``: read a message, send it, show its turn."""

from __future__ import annotations

import asyncio
from collections import deque

from activities.shell_commands import with_local_commands
from agentkit.client import ConversationTurn, Task
from cli.answers.terminal_input import TerminalInput
from cli.answers.terminal_questions import TerminalQuestions
from cli.chat.chat_commands import CHAT_COMMANDS, ChatCommands
from cli.chat.chat_input import ChatInput, PipedLines, TypedLines
from cli.chat.chat_session import ChatSession
from cli.command_options import Answerer, Server, ServerConnection, utf8_text
from cli.errors import CommandFailed, Interrupted, OutputClosed, ServerUnreachable
from cli.follow_task import require_completed
from cli.views.answer_commands import AnswerCommands
from cli.views.chat_display import ChatDisplay, ChatLines, PlainChat
from cli.views.console import err, one_line, out, write_message, write_text
from cli.views.step_lines import output_text
from cli.views.task_display import RequestNotices, summary
from cli.watched_task import WatchedTask

__all__ = ["Chat"]

_PROMPT = "> "
_SHOWN_TURNS = 3
"""Number of turns that are shown when a conversation is resumed, the last one with all its events."""
_MAX_SHOWN_CHARS = 300
_QUEUE_POLLS = 25
_QUEUE_POLL_INTERVAL_S = 0.2
_MENU = (
    "The turn goes on. Enter: watch it; /stop: stop it; Ctrl-C or /quit: leave it running; "
    "anything else is a message that the agent reads now."
)


class _Quit(Exception):
    """The person quit the chat while a turn runs."""


class Chat:
    """A chat on a terminal or with messages from a pipe; with a pipe, only outputs are written to stdout."""

    def __init__(
        self,
        server: Server,
        connection: ServerConnection,
        session: ChatSession,
        answerer: Answerer,
        terminal: TerminalInput | None,
    ) -> None:
        """Chat in ``session``; ``terminal`` None: messages come from a pipe, or the output goes into one."""
        self._server = server
        self._connection = connection
        self._session = session
        self._answerer = answerer
        self._terminal = terminal
        self._commands = ChatCommands(session)
        self._seen: set[str] = set()
        """Ids of the turns that have been shown."""
        self._input: ChatInput = PipedLines()
        if terminal is not None:
            self._input = TypedLines([f"/{name}" for name in CHAT_COMMANDS])

    def run(self) -> None:
        """Chat until the person quits.

        Raises:
            CommandFailed: with messages from a pipe, one that could not be sent, or whose turn did not complete.
            Interrupted: Ctrl-C, with messages from a pipe.
        """
        try:
            self._resume()
            while (line := self._next_line()) is not None:
                self._handle(line)
        except _Quit:
            pass
        except KeyboardInterrupt:
            raise Interrupted("\n".join(["Interrupted.", *self._resume_hint()])) from None
        except (Interrupted, ServerUnreachable) as ended:
            raise type(ended)("\n".join([str(ended), *self._resume_hint()])) from None
        if self._terminal is not None:
            write_message(err, "\n".join(self._resume_hint()), style="dim")

    def _resume_hint(self) -> list[str]:
        if (conversation := self._session.conversation) is None:
            return []
        return [f"Come back: `{self._server.command_line('chat', '--conversation', conversation.id)}`"]

    def _next_line(self) -> str | None:
        """Return the next line; None if the person quits."""
        interrupted = False
        while True:
            try:
                line = self._input.read(_PROMPT)
            except KeyboardInterrupt:
                if self._terminal is None:
                    raise Interrupted("Interrupted.") from None
                err.print()
                if interrupted:
                    return None
                interrupted = True
                write_message(err, "Ctrl-C again, Ctrl-D or /quit leaves.", style="dim")
                continue
            if line is None and self._terminal is not None:
                out.print()
            if line is None or line.strip() in ("/quit", "/exit"):
                return None
            if line.strip():
                return line
            interrupted = False

    def _handle(self, line: str) -> None:
        """Run a command, or send a message and show its turn."""
        try:
            utf8_text(line.encode(errors="surrogatepass"), "The message")
            message: str | None = line.removeprefix("/") if line.startswith("//") else line
            if line.startswith("/") and not line.startswith("//"):
                message = self._commands.run(line)
            if message is not None:
                self._send(message)
        except KeyboardInterrupt:
            if self._terminal is None:
                raise
            write_message(err, "Interrupted.", style="red")
        except CommandFailed as failed:
            if self._terminal is None or isinstance(failed, OutputClosed):
                raise
            write_message(err, str(failed), style="red")

    def _send(self, text: str) -> None:
        is_new = self._session.conversation is None
        try:
            turn = self._session.send(text, "enqueue")
        except ServerUnreachable as error:
            raise ServerUnreachable(f"{error}\nThe message was not sent. /retry sends it, once.") from None
        except KeyboardInterrupt:
            raise Interrupted("Interrupted. The message may have arrived; /retry sends it, once.") from None
        if is_new and self._terminal is not None and self._session.conversation is not None:
            write_message(out, self._session.conversation.id, style="dim")
        self._show(turn)

    def _show(self, *turns: Task) -> None:
        """Show turns until each has ended, and those that this person's messages started meanwhile."""
        later = deque(turns)
        while later:
            turn = later.popleft()
            if turn.id in self._seen:
                continue
            self._seen.add(turn.id)
            later += self._watch(turn)

    def _watch(self, turn: Task) -> list[Task]:
        """Show a turn until it has ended; return the turns that messages sent meanwhile have started.

        Raises:
            _Quit: the person quit.
        """
        started: list[Task] = []
        lines = ChatLines()
        watch = self._new_watch(turn, lines)
        ended, is_interrupted = None, False
        while ended is None:
            try:
                if is_interrupted:
                    started += self._menu(turn)
                    is_interrupted = False
                ended = self._connection.call(watch.show)
            except KeyboardInterrupt:
                if self._terminal is None:
                    raise Interrupted(f"Interrupted. The turn goes on as task {turn.id}.") from None
                is_interrupted = True
        self._show_end(ended, lines)
        return started

    def _new_watch(self, turn: Task, lines: ChatLines) -> WatchedTask:
        if self._terminal is None:
            return WatchedTask(turn, lambda system: RequestNotices(AnswerCommands(self._server, system)))
        is_live = out.is_terminal and not out.is_dumb_terminal
        display = ChatDisplay(out, lines) if is_live else PlainChat(out, lines)
        commands = AnswerCommands(self._server, name=self._answerer.name)
        questions = TerminalQuestions(turn, self._answerer, self._terminal, out, display, commands)
        return WatchedTask(turn, lambda _: display, questions)

    def _menu(self, turn: Task) -> list[Task]:
        """Ask what to do with a running turn; return the turn that a message has started.

        Raises:
            _Quit: the person quit.
        """
        out.print()
        write_message(out, _MENU, style="yellow")
        try:
            line = self._input.read("? ")
        except KeyboardInterrupt:
            line = None
        if line is None or line.strip() in ("/quit", "/exit"):
            out.print()
            write_message(err, f"The turn goes on as task {turn.id}.", style="dim")
            raise _Quit
        try:
            if line.strip() == "/stop":
                self._session.stop(turn)
            elif line.startswith("/") and not line.startswith("//"):
                write_message(err, "A turn runs: of the commands, only /stop and /quit can be used now.", style="red")
            elif line.strip():
                receiver = self._session.send(line.removeprefix("/"), "interrupt")
                return [] if receiver.id == turn.id else [receiver]
        except CommandFailed as failed:
            write_message(err, str(failed), style="red")
        return []

    def _show_end(self, ended: Task, lines: ChatLines) -> None:
        """Show how a turn ended, and its output unless that was shown as its last response."""
        if self._terminal is None:
            require_completed(ended)
        if ended.status == "completed":
            output = output_text(ended.output)
            if output.strip() != lines.response.strip():
                write_text(output)
        else:
            reason = "" if ended.error is None else f": {with_local_commands(ended.error.message)}"
            write_message(err, one_line(f"Turn {ended.status.replace('_', ' ')}{reason}", 2_000), style="red")
        if self._terminal is not None:
            write_message(err, summary(ended), style="dim")

    def _resume(self) -> None:
        """Show the newest turns of a resumed conversation, and follow those that run or are queued."""
        turns = () if self._terminal is None else self._session.newest_turns(_SHOWN_TURNS)
        if not turns:
            return
        if earlier := turns[0].number - 1:
            write_message(out, f"({earlier} earlier turn{'' if earlier == 1 else 's'}: /turns lists them)", style="dim")
        for turn in turns:
            write_message(out, f"{_PROMPT}{_input_text(turn)}", style="bold", indent=len(_PROMPT))
            if turn is turns[-1] or turn.ended_at is None:
                self._show_again(turn)
            else:
                write_message(out, one_line(output_text(turn.output or turn.status), _MAX_SHOWN_CHARS), style="dim")
        self._show_queued(turns[-1].number)

    def _show_again(self, turn: ConversationTurn) -> None:
        """Show all events of a turn, until it has ended; only its output if Temporal has deleted its task."""
        try:
            self._show(self._session.task(turn.task_id))
        except (OutputClosed, ServerUnreachable):
            raise
        except CommandFailed:
            write_message(out, output_text(turn.output or turn.status))

    def _show_queued(self, number: int) -> None:
        """Show the turns after number ``number``, which queued messages start."""
        while later := self._later_turns(number):
            for turn in later:
                write_message(out, f"{_PROMPT}{_input_text(turn)}", style="bold", indent=len(_PROMPT))
                self._show_again(turn)
            number = later[-1].number

    def _later_turns(self, number: int) -> tuple[ConversationTurn, ...]:
        """Return the turns after number ``number``; if messages are queued, wait for the first to start."""
        for _ in range(_QUEUE_POLLS):
            later = self._session.turns(number + 1)
            conversation = self._session.refresh()
            if later or conversation is None or not conversation.queued:
                return later
            self._connection.call(lambda _: asyncio.sleep(_QUEUE_POLL_INTERVAL_S))
        write_message(err, "Messages are queued, and their turns don't start yet.", style="yellow")
        return ()


def _input_text(turn: ConversationTurn) -> str:
    return one_line(turn.input if isinstance(turn.input, str) else "(content parts)", _MAX_SHOWN_CHARS)
