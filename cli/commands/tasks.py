"""``opspawn tasks``, ``show`` and ``cancel``: list tasks, show one, cancel one."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from activities.shell_commands import with_local_commands
from agentkit.client import OpspawnClient, Task
from cli.answers.pending_requests import pending_requests
from cli.command_options import AsJson, Server, TaskId, Url
from cli.errors import ServerUnreachable
from cli.views.answer_commands import AnswerCommands
from cli.views.console import err, one_line, out, write_json, write_line, write_message, write_text
from cli.views.input_request_lines import input_request_lines
from cli.views.notices import stalled_notice, worker_notice
from cli.views.step_lines import MessageLines, output_text, write_step_line
from cli.views.table import write_table
from cli.views.task_display import summary
from cli.views.times import age
from cli.views.worker_watch import system_info

__all__ = ["cancel", "show", "tasks"]

_HEADINGS = ("ID", "AGENT", "STATUS", "STEPS", "TOKENS", "AGE", "INPUT")
_MAX_TITLE_WIDTH = 60
_LABEL_WIDTH = len("agent ")
_STYLES = {"completed": "green", "running": "cyan", "queued": "cyan", "waiting": "yellow", "paused": "yellow"}


def tasks(
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="Only these, such as running.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="AGENT", help="Only this agent's.")] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="TENANT", help="Only this tenant's; for administrators, who see all.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List tasks, newest first."""
    statuses = [] if status is None else [status]
    server = Server(url)
    page = server.call(lambda client: client.tasks(status=statuses, agent=agent, tenant=tenant, limit=limit))
    if as_json:
        write_json(page.raw)
    elif not page.tasks:
        out.print("No tasks." if not (status or agent or tenant) else "No such tasks.")
    else:
        _print_tasks(page.tasks)
        if any(task.waiting_for_worker for task in page.tasks):
            write_message(err, worker_notice(server.call(system_info)), style="yellow")
        if page.total is not None and page.total > len(page.tasks):
            out.print(f"{len(page.tasks)} of {page.total}; --limit shows more.", style="dim")


def show(
    task_id: TaskId,
    as_json: AsJson = False,
    result: Annotated[
        str | None, typer.Option(metavar="CALL_ID", help="Write the whole result of this tool call, and nothing else.")
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Show this version of the transcript, from before it was shortened."),
    ] = None,
    url: Url = None,
) -> None:
    """Show a task: its status, what it did, and its output."""
    server = Server(url)
    if result is not None:
        server.call(partial(_write_result, task_id, result))
        return
    task = server.call(lambda client: client.get(task_id))
    if as_json:
        write_json(task.raw)
        return
    _print_facts(task)
    if task.stalled is not None:
        write_message(out, stalled_notice(task.stalled), style="red")
    if task.waiting_for_worker:
        write_message(out, worker_notice(server.call(system_info)), style="yellow")
    out.print()
    _print_transcript(server, task_id, version)
    if task.input_requests:
        _print_input_requests(server, task)
    if task.error is not None:
        write_line(out, Text(one_line(with_local_commands(task.error.message), 2000), style="red"))
    if task.output is not None:
        out.print(Text("output", style="bold"))
        write_text(output_text(task.output))


def cancel(task_id: TaskId, url: Url = None) -> None:
    """Cancel a task: what it is doing now is stopped."""
    server = Server(url)
    server.call(lambda client: client.cancel(task_id))
    write_message(out, f"Task {task_id} is being cancelled. See it: `{server.command_line('show', task_id)}`")


def _print_facts(task: Task) -> None:
    facts = {
        "task": Text(task.id),
        "agent": Text(task.agent),
        "state": Text(summary(task), style=_STYLES.get(task.status, "red")),
    }
    if ui := task.links.get("temporal_ui"):
        facts["web"] = Text(ui)
    for label, value in facts.items():
        write_line(out, Text.assemble((f"{label:<{_LABEL_WIDTH}}", "bold"), value), _LABEL_WIDTH)
    if ui:
        hint = Text("see its tab User Metadata: the input, each step, and the totals, as text", style="dim")
        write_line(out, Text.assemble(" " * _LABEL_WIDTH, hint), _LABEL_WIDTH)


def _print_tasks(tasks: tuple[Task, ...]) -> None:
    rows = []
    for task in tasks:
        status = Text(task.status, style=_STYLES.get(task.status, "red"))
        if task.stalled is not None:
            status = Text("stalled", style="red")
        if task.waiting_for_worker:
            status.stylize("yellow")
        numbers = (str(task.steps), f"{task.usage.tokens:,}", age(task.created_at))
        rows.append(
            [Text(task.id), Text(task.agent), status, *map(Text, numbers), Text(one_line(task.title, _MAX_TITLE_WIDTH))]
        )
    write_table(_HEADINGS, rows, numbers=frozenset({"STEPS", "TOKENS", "AGE"}), wraps=False)


def _print_transcript(server: Server, task_id: str, version: int | None) -> None:
    try:
        versions = server.call(partial(_print_messages, task_id, version))
    except ServerUnreachable as error:
        write_message(out, f"The transcript can't be read now: {error}", style="yellow")
        return
    if version is None and versions > 1:
        earlier = server.command_line("show", task_id, "--version", str(versions - 1))
        write_message(out, f"This is version {versions} of the transcript, which was shortened. Before: `{earlier}`")


def _print_input_requests(server: Server, task: Task) -> None:
    commands = AnswerCommands(server, server.call(system_info))
    for request in server.call(partial(pending_requests, task)):
        for line in input_request_lines(request, task.id, commands, whole=True):
            write_step_line(out, line)


async def _write_result(task_id: str, call_id: str, client: OpspawnClient) -> None:
    async with client.result(task_id, call_id) as blocks:
        async for block in blocks:
            out.write_bytes(block)


async def _print_messages(task_id: str, version: int | None, client: OpspawnClient) -> int:
    """Print all messages of a version, or of the newest; return how many versions there are."""
    lines = MessageLines()
    start = 0
    while (page := await client.transcript(task_id, start=start, version=version)).messages:
        for message in page.messages:
            for line in lines.render(message):
                write_step_line(out, line)
        start += len(page.messages)
    return page.versions
