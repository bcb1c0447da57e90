"""``opspawn run``: give an agent a task, and wait for its output."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from cli.command_options import Answerer, AsJson, AsPerson, Groups, Server, Url, parse_limits
from cli.demo_explanation import explain_demo_model
from cli.errors import Interrupted
from cli.follow_task import follow_until_ended, wait_until_ended
from cli.input_options import task_input

__all__ = ["run"]


def run(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")],
    input_: Annotated[
        str | None, typer.Argument(metavar="INPUT", help="What to do; - reads it from stdin.", show_default=False)
    ] = None,
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
    prompt: Annotated[
        str | None, typer.Option(metavar="SERVER/NAME", help="Instead of INPUT: a prompt of an MCP server.")
    ] = None,
    argument: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An argument of the prompt; may be repeated.")
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVER:URI", help="With INPUT: a resource of an MCP server; may be repeated."),
    ] = None,
    as_: AsPerson = None,
    group: Groups = None,
    url: Url = None,
) -> None:
    """Give an agent a task, and wait for its output.

    With --follow on a terminal, you are asked what the task asks. Ctrl-C leaves the task running.
    """
    content = task_input(input_, prompt, argument or [], resource or [])
    limits = parse_limits(limit or [])
    server = Server(url)
    try:
        task = server.call(
            lambda client: client.create(
                agent, content, model=model, limits=limits, tags=tag or (), idempotency_key=idempotency_key
            )
        )
        if not as_json and model is None:
            server.call(partial(explain_demo_model, agent))
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted. The task may have started: `{server.command_line('tasks')}` shows it."
        ) from None
    if follow:
        follow_until_ended(server, task, as_json=as_json, answerer=Answerer.of_options(as_, group))
    else:
        wait_until_ended(server, task, as_json=as_json)
