"""``opspawn delete``: erase a task that has ended, or a conversation."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.command_options import AsJson, Server, Url
from cli.errors import CommandFailed
from cli.views.console import err, out, write_json, write_message
from cli.views.notices import worker_notice
from cli.views.worker_watch import system_info

__all__ = ["delete"]


def delete(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A task's id; with --conversation, a conversation's.")],
    conversation: Annotated[
        bool, typer.Option("--conversation", help="A conversation with all its turns; a running one is cancelled.")
    ] = False,
    memories: Annotated[bool, typer.Option("--memories", help="What it has written to long-term memory, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without a question.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Erase a task that has ended, or a conversation: its history, results and files. It can't be undone."""
    what = f"conversation {id_}" if conversation else f"task {id_}"
    question = f"Erase {what}, and what it remembered?" if memories else f"Erase {what}?"
    if not yes and not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was erased.")
    server = Server(url)
    deleted = server.call(
        lambda client: (client.conversations if conversation else client).delete(id_, memories=memories)
    )
    if as_json:
        write_json(deleted.raw)
        return
    state = "was erased" if deleted.status == "erased" else "is being erased: in a few minutes nothing is left of it"
    write_message(out, f"{what[0].upper()}{what[1:]} {state}.")
    if deleted.memories is not None:
        write_message(out, f"Memories erased: {deleted.memories}.")
    if deleted.problem is not None:
        write_message(err, f"It doesn't get on: {deleted.problem}", style="yellow")
    if deleted.waiting_for_worker:
        write_message(err, worker_notice(server.call(system_info)), style="yellow")
