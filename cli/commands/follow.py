"""``opspawn follow``: show a task that was started elsewhere until it has ended."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.command_options import Answerer, AsPerson, Groups, Server, TaskId, Url
from cli.follow_task import follow_until_ended

__all__ = ["follow"]


def follow(
    task_id: TaskId,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
    as_: AsPerson = None,
    group: Groups = None,
    url: Url = None,
) -> None:
    """Show what a task did and does, until it has ended.

    On a terminal, you are asked what the task asks. Ctrl-C leaves the task running.
    """
    server = Server(url)
    task = server.call(lambda client: client.get(task_id))
    follow_until_ended(server, task, as_json=as_json, answerer=Answerer.of_options(as_, group))
