"""Follow a task to its end: show what happens, and tell how it ended."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial

from agentkit.client import OpspawnClient, Task
from cli.command_options import Server
from cli.errors import CommandFailed, Interrupted, ServerUnreachable
from cli.views.console import err, one_line, out, write_json, write_text
from cli.views.live_display import LiveDisplay
from cli.views.step_lines import output_text
from cli.views.task_display import Display, JsonLines, Notes, PlainLines, summary

__all__ = ["follow_to_the_end", "wait_for_the_end"]


def wait_for_the_end(server: Server, task: Task, *, as_json: bool) -> None:
    """Wait until a task has ended, and print its output, or all of it as JSON.

    Raises:
        CommandFailed: it didn't complete; Interrupted, ServerUnreachable: it goes on.
    """
    if err.is_terminal:
        err.print(f"task {task.id}", style="dim")
    task = _watch(server, task, Notes())
    if as_json:
        write_json(task.document)
    _check(task)
    if not as_json:
        write_text(output_text(task.output))


def follow_to_the_end(server: Server, task: Task, *, as_json: bool) -> None:
    """Show what happens to a task from its beginning until it has ended, then its output.

    Raises:
        CommandFailed: it didn't complete; Interrupted, ServerUnreachable: it goes on.
    """
    if as_json:
        _check(_watch(server, task, JsonLines()))
        return
    out.print(f"task {task.id}", style="dim")
    live = out.is_terminal and not out.is_dumb_terminal
    task = _watch(server, task, LiveDisplay(out) if live else PlainLines(out))
    _check(task)
    write_text(output_text(task.output))
    err.print(summary(task), style="dim")


def _watch(server: Server, task: Task, display: Display) -> Task:
    """Show what happens until the task has ended; return it as it ended."""
    hints = {
        "Come back": f"follow {task.id}",
        "See it": f"show {task.id}",
        "Stop it": f"cancel {task.id}",
    }
    come_back = "\n".join(f"{what}: {server.hint(command)}" for what, command in hints.items())
    try:
        return server.ask(partial(_show, task.id, display))
    except KeyboardInterrupt:
        raise Interrupted(f"Task {task.id} goes on.\n{come_back}") from None
    except ServerUnreachable as error:
        raise ServerUnreachable(f"{error}\nTask {task.id} goes on.\n{come_back}") from None


async def _show(task_id: str, display: Display, client: OpspawnClient) -> Task:
    with display:
        async with aclosing(client.watch(task_id)) as updates:
            async for update in updates:
                display.show(update)
    return await client.wait(task_id)


def _check(task: Task) -> None:
    if task.status == "completed":
        return
    where = f" at step {task.error.step}" if task.error is not None and task.error.step else ""
    why = f": {one_line(task.error.message, 2000)} ({task.error.type})" if task.error is not None else ""
    raise CommandFailed(f"Task {task.id} {task.status.replace('_', ' ')}{where}{why}")
