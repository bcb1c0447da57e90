"""``opspawn run``: give an agent a task, and wait for its output."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated

import typer

from cli.answers import Document, Task
from cli.client import OpspawnClient
from cli.console import err, one_line, out, write_json, write_text
from cli.display import Display, JsonLines, LiveDisplay, Notes, PlainLines, summary
from cli.errors import CommandFailed, Interrupted, ServerUnreachable, UsageWrong
from cli.options import AsJson, Server, Url, parse_limits
from cli.steps import output_text
from cli.updates import TaskChanged, Update, follow, submit, wait

__all__ = ["run"]


def run(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")],
    input_: Annotated[str, typer.Argument(metavar="INPUT", help="What to do; - reads it from stdin.")],
    follow_: Annotated[bool, typer.Option("--follow", "-f", help="Show each step as it happens.")] = False,
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
    body = _body(agent, _read(input_), model, limit or [], tag or [])
    server = Server(url)
    with server.client() as client:
        task = _submit(partial(client.create_task, body, idempotency_key=idempotency_key or str(uuid.uuid4())), server)
        source = follow if follow_ else wait
        task = _watch(task, source, client, _display(task, followed=follow_, as_json=as_json), server)
    _finish(task, followed=follow_, as_json=as_json)


def _body(agent: str, text: str, model: str | None, limits: list[str], tags: list[str]) -> Document:
    body: Document = {"agent": agent, "input": text}
    if model is not None:
        body["model"] = model
    if limits:
        body["limits"] = parse_limits(limits)
    if tags:
        body["tags"] = [*tags]
    return body


def _read(text: str) -> str:
    """Return the input: as given, or all of stdin."""
    try:
        given = sys.stdin.buffer.read().decode() if text == "-" else text.encode().decode()
    except UnicodeError as error:
        raise UsageWrong(f"INPUT isn't UTF-8 text: {error}") from None
    if not given.strip():
        raise UsageWrong("INPUT is empty: say what the agent should do.")
    return given


def _submit(create: Callable[[], Task], server: Server) -> Task:
    try:
        return submit(create)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. The task may have started: {server.hint('tasks')} shows it.") from None


def _display(task: Task, *, followed: bool, as_json: bool) -> Display:
    if not followed:
        if err.is_terminal:
            err.print(f"task {task.id}", style="dim")
        return Notes()
    if as_json:
        return JsonLines()
    out.print(f"task {task.id}", style="dim")
    return LiveDisplay(out) if out.is_terminal and not out.is_dumb_terminal else PlainLines(out)


def _watch(
    task: Task,
    source: Callable[[OpspawnClient, Task], Iterator[Update]],
    client: OpspawnClient,
    display: Display,
    server: Server,
) -> Task:
    """Show updates until the task has ended; return it as it ended."""
    come_back = f"See it: {server.hint(f'show {task.id}')}   Stop it: {server.hint(f'cancel {task.id}')}"
    try:
        with display:
            for update in source(client, task):
                display.show(update)
                if isinstance(update, TaskChanged):
                    task = update.task
    except KeyboardInterrupt:
        raise Interrupted(f"Task {task.id} goes on. {come_back}") from None
    except ServerUnreachable as error:
        raise ServerUnreachable(f"{error}\nTask {task.id} goes on. {come_back}") from None
    return task


def _finish(task: Task, *, followed: bool, as_json: bool) -> None:
    """Print the output; a task that didn't complete is an error."""
    if as_json and not followed:
        write_json(task.document)
    if task.status == "completed":
        if not as_json:
            write_text(output_text(task.output))
        if followed and not as_json:
            err.print(summary(task), style="dim")
        return
    where = f" at step {task.error.step}" if task.error is not None and task.error.step else ""
    why = f": {one_line(task.error.message, 2000)} ({task.error.type})" if task.error is not None else ""
    raise CommandFailed(f"Task {task.id} {task.status.replace('_', ' ')}{where}{why}")
