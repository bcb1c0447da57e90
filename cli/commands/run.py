"""``opspawn run``: give an agent a task, and wait for its output."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.command_options import AsJson, Server, Url, parse_limits
from cli.errors import Interrupted, UsageWrong
from cli.views.follow_task import follow_to_the_end, wait_for_the_end

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
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="To find the task by.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same key and task again give the first one.")
    ] = None,
    url: Url = None,
) -> None:
    """Give an agent a task, and wait for its output.

    Ctrl-C leaves the task running.
    """
    text = _read(input_)
    limits = parse_limits(limit or [])
    server = Server(url)
    try:
        task = server.ask(
            lambda client: client.create(
                agent, text, model=model, limits=limits, tags=tag or (), idempotency_key=idempotency_key
            )
        )
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. The task may have started: {server.hint('tasks')} shows it.") from None
    end = follow_to_the_end if follow else wait_for_the_end
    end(server, task, as_json=as_json)


def _read(text: str) -> str:
    """Return the input: as given, or all of stdin."""
    try:
        given = sys.stdin.buffer.read().decode() if text == "-" else text.encode().decode()
    except UnicodeError as error:
        raise UsageWrong(f"INPUT isn't UTF-8 text: {error}") from None
    if not given.strip():
        raise UsageWrong("INPUT is empty: say what the agent should do.")
    return given
