"""Follow a task until it has ended: show its updates, then its output or its error."""

from __future__ import annotations

from collections.abc import Callable

from activities.shell_commands import with_local_commands
from agentkit.client import SystemInfo, Task
from cli.answers.terminal_input import TerminalInput
from cli.answers.terminal_questions import TerminalQuestions
from cli.command_options import Answerer, Server
from cli.errors import CommandFailed, Interrupted, OutputClosed, ServerUnreachable
from cli.views.answer_commands import AnswerCommands
from cli.views.console import err, one_line, out, write_json, write_message, write_text
from cli.views.live_display import LiveDisplay
from cli.views.step_lines import output_text
from cli.views.task_display import Display, JsonLines, PlainLines, RequestNotices, summary
from cli.watched_task import WatchedTask

__all__ = ["follow_until_ended", "require_completed", "wait_until_ended"]


def wait_until_ended(server: Server, task: Task, *, as_json: bool) -> None:
    """Wait until a task has ended, and print its output, or the whole task as JSON.

    Raises:
        CommandFailed: the task didn't complete.
        Interrupted, ServerUnreachable: the wait ended; the task goes on.
    """
    if err.is_terminal:
        write_message(err, f"task {task.id}", style="dim")
    task = _Watch(server, task, lambda system: RequestNotices(AnswerCommands(server, system))).run()
    try:
        if as_json:
            write_json(task.raw)
    finally:  # also when the reader of the output has ended
        require_completed(task)
    if not as_json:
        write_text(output_text(task.output))


def follow_until_ended(server: Server, task: Task, *, as_json: bool, answerer: Answerer) -> None:
    """Show a task's updates from its first event until it has ended, then its output.

    On a terminal, ``answerer`` is asked what the task asks.

    Raises:
        CommandFailed: the task didn't complete.
        Interrupted, ServerUnreachable: the watch ended; the task goes on.
        OutputClosed: the reader of the output has ended, and the task didn't fail before.
    """
    try:
        if as_json:
            require_completed(_Watch(server, task, lambda _: JsonLines()).run())
        else:
            _follow(server, task, answerer)
    except OutputClosed:
        if task.ended:
            require_completed(task)
        raise


def _follow(server: Server, task: Task, answerer: Answerer) -> None:
    write_message(out, f"task {task.id}", style="dim")
    display_class = LiveDisplay if out.is_terminal and not out.is_dumb_terminal else PlainLines
    terminal = TerminalInput.of_stdin() if out.is_terminal else None
    if terminal is None:
        task = _Watch(server, task, lambda system: display_class(out, AnswerCommands(server, system))).run()
    else:
        display = display_class(out, None)
        commands = AnswerCommands(server, name=answerer.name)
        questions = TerminalQuestions(task, answerer, terminal, out, display, commands)
        task = _Watch(server, task, lambda _: display, questions).run()
    require_completed(task)
    write_text(output_text(task.output))
    write_message(err, summary(task), style="dim")


class _Watch:
    """Watches a task until it has ended. Where the watch ends before, the error has the commands for coming back."""

    def __init__(
        self,
        server: Server,
        task: Task,
        make_display: Callable[[SystemInfo | None], Display],
        questions: TerminalQuestions | None = None,
    ) -> None:
        self._server = server
        self._task = task
        self._watch = WatchedTask(task, make_display, questions)
        self._questions = questions

    def run(self) -> Task:
        """Return the ended task.

        Raises:
            Interrupted, ServerUnreachable: the watch ended; the message has the commands for coming back.
        """
        try:
            return self._server.call(self._watch.show)
        except KeyboardInterrupt:
            raise Interrupted(f"{self._state()}\n{self._next_steps()}") from None
        except ServerUnreachable as error:
            raise ServerUnreachable(f"{error}\n{self._state()}\n{self._next_steps()}") from None

    def _state(self) -> str:
        commands = [] if self._questions is None else self._questions.commands_for_later
        if not commands:
            return f"Task {self._task.id} goes on."
        lines = [f"  {command}" for command in commands]
        return "\n".join([f"Task {self._task.id} waits for an answer. To answer later:", *lines])

    def _next_steps(self) -> str:
        commands = {"Come back": "follow", "See it": "show", "Stop it": "cancel"}
        return "\n".join(
            f"{label}: `{self._server.command_line(name, self._task.id)}`" for label, name in commands.items()
        )


def require_completed(task: Task) -> None:
    """Return for a completed task.

    Raises:
        CommandFailed: it ended otherwise; the message has the reason.
    """
    if task.status == "completed":
        return
    step = f" at step {task.error.step}" if task.error is not None and task.error.step else ""
    reason = (
        f": {one_line(with_local_commands(task.error.message), 2000)} ({task.error.type})"
        if task.error is not None
        else ""
    )
    raise CommandFailed(f"Task {task.id} {task.status.replace('_', ' ')}{step}{reason}")
