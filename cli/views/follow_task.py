"""Follow a task until it has ended: show its updates, then its output or its error."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial

from activities.shell_commands import with_local_commands
from agentkit.client import OpspawnClient, Task
from cli.command_options import Server
from cli.errors import CommandFailed, Interrupted, ServerUnreachable
from cli.views.console import err, one_line, out, write_json, write_text
from cli.views.live_display import LiveDisplay
from cli.views.step_lines import output_text
from cli.views.task_display import ConnectionNotices, Display, JsonLines, PlainLines, summary

__all__ = ["follow_until_ended", "wait_until_ended"]


def wait_until_ended(server: Server, task: Task, *, as_json: bool) -> None:
    """Wait until a task has ended, and print its output, or the whole task as JSON.

    Raises:
        CommandFailed: the task didn't complete.
        Interrupted, ServerUnreachable: the wait ended; the task goes on.
    """
    if err.is_terminal:
        err.print(f"task {task.id}", style="dim")
    task = _watch(server, task, ConnectionNotices())
    if as_json:
        write_json(task.raw)
    _require_completed(task)
    if not as_json:
        write_text(output_text(task.output))


def follow_until_ended(server: Server, task: Task, *, as_json: bool) -> None:
    """Show a task's updates from its first event until it has ended, then its output.

    Raises:
        CommandFailed: the task didn't complete.
        Interrupted, ServerUnreachable: the watch ended; the task goes on.
    """
    if as_json:
        _require_completed(_watch(server, task, JsonLines()))
        return
    out.print(f"task {task.id}", style="dim")
    is_live = out.is_terminal and not out.is_dumb_terminal
    task = _watch(server, task, LiveDisplay(out) if is_live else PlainLines(out))
    _require_completed(task)
    write_text(output_text(task.output))
    err.print(summary(task), style="dim")


def _watch(server: Server, task: Task, display: Display) -> Task:
    """Show updates until the task has ended, and return the ended task."""
    commands = {"Come back": "follow", "See it": "show", "Stop it": "cancel"}
    next_steps = "\n".join(f"{label}: `{server.command_line(name, task.id)}`" for label, name in commands.items())
    try:
        return server.call(partial(_show, task.id, display))
    except KeyboardInterrupt:
        raise Interrupted(f"Task {task.id} goes on.\n{next_steps}") from None
    except ServerUnreachable as error:
        raise ServerUnreachable(f"{error}\nTask {task.id} goes on.\n{next_steps}") from None


async def _show(task_id: str, display: Display, client: OpspawnClient) -> Task:
    with display:
        async with aclosing(client.watch(task_id)) as updates:
            async for update in updates:
                display.show(update)
    return await client.wait(task_id)


def _require_completed(task: Task) -> None:
    if task.status == "completed":
        return
    step = f" at step {task.error.step}" if task.error is not None and task.error.step else ""
    reason = (
        f": {one_line(with_local_commands(task.error.message), 2000)} ({task.error.type})"
        if task.error is not None
        else ""
    )
    raise CommandFailed(f"Task {task.id} {task.status.replace('_', ' ')}{step}{reason}")
