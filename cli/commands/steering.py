"""``opspawn send``, ``pause``, ``resume`` and ``fork``: steer a task, or go on from one of its steps."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.command_options import Answerer, AsJson, AsPerson, Groups, Server, TaskId, Url, parse_limits, text_argument
from cli.follow_task import follow_until_ended
from cli.views.console import err, out, write_json, write_message
from cli.views.notices import worker_notice
from cli.views.worker_watch import system_info

__all__ = ["fork", "pause", "resume", "send"]


def send(
    task_id: TaskId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the agent should know; - reads it from stdin.")],
    interrupt: Annotated[
        bool, typer.Option("--interrupt", help="Stop what runs now first, but no irreversible call.")
    ] = False,
    pin: Annotated[bool, typer.Option("--pin", help="Keep it word for word when the transcript is shortened.")] = False,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who writes. Default: this machine's user.")
    ] = None,
    url: Url = None,
) -> None:
    """Send a message to a running task: the model reads it before its next response."""
    message = text_argument(text, "TEXT", "write what the agent should know")
    sender = Answerer.of_options(as_, None).name
    server = Server(url)
    task = server.call(lambda client: client.send(task_id, message, interrupt=interrupt, pinned=pin, sent_by=sender))
    _confirm(server, task_id, "has the message", waits=task.waiting_for_worker)


def pause(task_id: TaskId, url: Url = None) -> None:
    """Pause a task: what it does now is finished, then it waits."""
    server = Server(url)
    task = server.call(lambda client: client.pause(task_id))
    resume_command = server.command_line("resume", task_id)
    _confirm(server, task_id, f"is being paused. Let it go on: `{resume_command}`", waits=task.waiting_for_worker)


def resume(task_id: TaskId, url: Url = None) -> None:
    """Let a paused task go on."""
    server = Server(url)
    task = server.call(lambda client: client.resume(task_id))
    _confirm(server, task_id, "goes on", waits=task.waiting_for_worker)


def fork(
    task_id: TaskId,
    from_step: Annotated[int, typer.Option(metavar="N", min=0, help="The last step to keep; 0: none.")],
    input_: Annotated[str | None, typer.Argument(metavar="[INPUT]", help="What to do; - reads it from stdin.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="AGENT", help="Instead of the task's own.")] = None,
    model: Annotated[str | None, typer.Option(metavar="PROVIDER:NAME", help="Instead of the agent's own.")] = None,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A ceiling, such as max_steps=5 or deadline=1h.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show each step of the new task.")] = False,
    as_json: AsJson = False,
    as_: AsPerson = None,
    group: Groups = None,
    url: Url = None,
) -> None:
    """Start a new task that goes on from a step of another one.

    Effects that the first task had after that step stay: the new task's model reads which they are.
    """
    text = None if input_ is None else text_argument(input_, "INPUT", "write what the agent should do")
    limits = parse_limits(limit or [])
    server = Server(url)
    task = server.call(
        lambda client: client.fork(task_id, from_step, input=text, agent=agent, model=model, limits=limits)
    )
    if follow:
        follow_until_ended(server, task, as_json=as_json, answerer=Answerer.of_options(as_, group))
    elif as_json:
        write_json(task.raw)
    else:
        write_message(out, f"Task {task.id} goes on after step {from_step} of {task_id}.")
        write_message(out, f"See it: `{server.command_line('follow', task.id)}`", style="dim")


def _confirm(server: Server, task_id: str, what: str, *, waits: bool) -> None:
    write_message(out, f"Task {task_id} {what}." if not what.endswith("`") else f"Task {task_id} {what}")
    if waits:
        write_message(err, worker_notice(server.call(system_info)), style="yellow")
