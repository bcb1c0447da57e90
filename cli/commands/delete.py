"""``opspawn delete``: erase a task that has ended."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.command_options import AsJson, Server, TaskId, Url
from cli.errors import CommandFailed
from cli.views.console import err, out, write_json, write_message
from cli.views.notices import worker_notice
from cli.views.worker_watch import system_info

__all__ = ["delete"]


def delete(
    task_id: TaskId,
    memories: Annotated[bool, typer.Option("--memories", help="What it has written to long-term memory, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without a question.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Erase a task that has ended: its history, results and files. It can't be undone."""
    what = f"Erase task {task_id}, and what it remembered?" if memories else f"Erase task {task_id}?"
    if not yes and not typer.confirm(what, err=True):
        raise CommandFailed("Nothing was erased.")
    server = Server(url)
    deleted = server.call(lambda client: client.delete(task_id, memories=memories))
    if as_json:
        write_json(deleted.raw)
        return
    state = "was erased" if deleted.status == "erased" else "is being erased: in a few minutes nothing is left of it"
    write_message(out, f"Task {task_id} {state}.")
    if deleted.memories is not None:
        write_message(out, f"Memories erased: {deleted.memories}.")
    if deleted.problem is not None:
        write_message(err, f"It doesn't get on: {deleted.problem}", style="yellow")
    if deleted.waiting_for_worker:
        write_message(err, worker_notice(server.call(system_info)), style="yellow")
