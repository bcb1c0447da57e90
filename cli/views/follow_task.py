"""Follow a task until it has ended: show its updates, then its output or its error."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial

from activities.shell_commands import with_local_commands
from agentkit.client import OpspawnClient, Task
from cli.command_options import Server
from cli.errors import CommandFailed, Interrupted, OutputClosed, ServerUnreachable
from cli.views.console import err, one_line, out, write_json, write_message, write_text
from cli.views.live_display import LiveDisplay
from cli.views.step_lines import output_text
from cli.views.task_display import ConnectionNotices, Display, JsonLines, PlainLines, summary
from cli.views.worker_watch import WorkerWatch

__all__ = ["follow_until_ended", "wait_until_ended"]


def wait_until_ended(server: Server, task: Task, *, as_json: bool) -> None:
    """Wait until a task has ended, and print its output, or the whole task as JSON.

    Raises:
        CommandFailed: the task didn't complete.
        Interrupted, ServerUnreachable: the wait ended; the task goes on.
    """
    if err.is_terminal:
        write_message(err, f"task {task.id}", style="dim")
    task = _watch(server, task, ConnectionNotices())
    try:
        if as_json:
            write_json(task.raw)
    finally:  # also when the reader of the output has ended
        _require_completed(task)
    if not as_json:
        write_text(output_text(task.output))


def follow_until_ended(server: Server, task: Task, *, as_json: bool) -> None:
    """Show a task's updates from its first event until it has ended, then its output.

    Raises:
        CommandFailed: the task didn't complete.
        Interrupted, ServerUnreachable: the watch ended; the task goes on.
        OutputClosed: the reader of the output has ended, and the task didn't fail before.
    """
    try:
        if as_json:
            _require_completed(_watch(server, task, JsonLines()))
        else:
            _follow(server, task)
    except OutputClosed:
        if task.ended:
            _require_completed(task)
        raise


def _follow(server: Server, task: Task) -> None:
    write_message(out, f"task {task.id}", style="dim")
    is_live = out.is_terminal and not out.is_dumb_terminal
    task = _watch(server, task, LiveDisplay(out) if is_live else PlainLines(out))
    _require_completed(task)
    write_text(output_text(task.output))
    write_message(err, summary(task), style="dim")


def _watch(server: Server, task: Task, display: Display) -> Task:
    """Show updates until the task has ended, and return the ended task."""
    commands = {"Come back": "follow", "See it": "show", "Stop it": "cancel"}
    next_steps = "\n".join(f"{label}: `{server.command_line(name, task.id)}`" for label, name in commands.items())
    try:
        return server.call(partial(_show, task, display))
    except KeyboardInterrupt:
        raise Interrupted(f"Task {task.id} goes on.\n{next_steps}") from None
    except ServerUnreachable as error:
        raise ServerUnreachable(f"{error}\nTask {task.id} goes on.\n{next_steps}") from None


async def _show(task: Task, display: Display, client: OpspawnClient) -> Task:
    worker_watch = WorkerWatch(client, task)
    watching = asyncio.create_task(worker_watch.run())
    try:
        with display:
            async with aclosing(client.watch(task.id)) as updates:
                async for update in updates:
                    worker_watch.on_update()
                    display.show(update)
        return await client.wait(task.id)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


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
