"""``opspawn run``: give an agent a task, and wait for its output."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.command_options import AsJson, Server, Url, parse_limits
from cli.errors import Interrupted, UsageWrong
from cli.views.follow_task import follow_until_ended, wait_until_ended

__all__ = ["run"]


def run(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")],
    input_: Annotated[str, typer.Argument(metavar="INPUT", help="What to do; - reads it from stdin.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show each step as it happens.")] = False,
    as_json: AsJson = False,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A ceiling, such as max_steps=5 or deadline=1h.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="PROVIDER:NAME", help="Instead of the agent's own.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="A label to find the task by.")] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The same key and task again return the first task."),
    ] = None,
    url: Url = None,
) -> None:
    """Give an agent a task, and wait for its output.

    Ctrl-C leaves the task running.
    """
    text = _input_text(input_)
    limits = parse_limits(limit or [])
    server = Server(url)
    try:
        task = server.call(
            lambda client: client.create(
                agent, text, model=model, limits=limits, tags=tag or (), idempotency_key=idempotency_key
            )
        )
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. The task may have started: `{server.command_line('tasks')}` shows it.") from None
    show = follow_until_ended if follow else wait_until_ended
    show(server, task, as_json=as_json)


def _input_text(argument: str) -> str:
    """Return the task's input: the argument, or all of stdin for ``-``."""
    try:
        text = sys.stdin.buffer.read().decode() if argument == "-" else argument.encode().decode()
    except UnicodeError as error:
        raise UsageWrong(f"INPUT isn't UTF-8 text: {error}") from None
    if not text.strip():
        raise UsageWrong("INPUT is empty: write what the agent should do.")
    return text
