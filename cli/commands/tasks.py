"""``opspawn tasks``, ``show`` and ``cancel``: list tasks, show one, cancel one."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from activities.shell_commands import with_local_commands
from agentkit.client import OpspawnClient, Task
from cli.command_options import AsJson, Server, TaskId, Url
from cli.errors import ServerUnreachable
from cli.views.console import one_line, out, write_json, write_table, write_text
from cli.views.step_lines import MessageLines, output_text
from cli.views.task_display import summary

__all__ = ["cancel", "show", "tasks"]

_HEADINGS = ("ID", "AGENT", "STATUS", "STEPS", "TOKENS", "AGE")
_MIN_TITLE_WIDTH = 10
_MAX_TITLE_WIDTH = 60
_STYLES = {"completed": "green", "running": "cyan", "queued": "cyan", "waiting": "yellow", "paused": "yellow"}


def tasks(
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="Only these, such as running.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="AGENT", help="Only this agent's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List tasks, newest first."""
    statuses = [] if status is None else [status]
    page = Server(url).call(lambda client: client.tasks(status=statuses, agent=agent, limit=limit))
    if as_json:
        write_json(page.raw)
    elif not page.tasks:
        out.print("No tasks." if not (status or agent) else "No such tasks.")
    else:
        _print_tasks(page.tasks)
        if page.total is not None and page.total > len(page.tasks):
            out.print(f"{len(page.tasks)} of {page.total}; --limit shows more.", style="dim")


def show(task_id: TaskId, as_json: AsJson = False, url: Url = None) -> None:
    """Show a task: its status, what it did, and its output."""
    server = Server(url)
    task = server.call(lambda client: client.get(task_id))
    if as_json:
        write_json(task.raw)
        return
    out.print(Text.assemble(("task  ", "bold"), task.id))
    out.print(Text.assemble(("agent ", "bold"), task.agent))
    out.print(Text.assemble(("state ", "bold"), (summary(task), _STYLES.get(task.status, "red"))))
    ui = task.links.get("temporal_ui")
    if ui:
        out.print(Text.assemble(("web   ", "bold"), ui), soft_wrap=True)
    out.print()
    _print_transcript(server, task_id)
    if task.error is not None:
        out.print(Text(one_line(with_local_commands(task.error.message), 2000), style="red"), soft_wrap=True)
    if task.output is not None:
        out.print(Text("output", style="bold"))
        write_text(output_text(task.output))


def cancel(task_id: TaskId, url: Url = None) -> None:
    """Cancel a task: what it is doing now is stopped."""
    server = Server(url)
    server.call(lambda client: client.cancel(task_id))
    out.print(f"Task {task_id} is being cancelled. See it: {server.command_line('show', task_id)}", soft_wrap=True)


def _print_tasks(tasks: tuple[Task, ...]) -> None:
    rows = [
        (task.id, task.agent, task.status, str(task.steps), f"{task.usage.tokens:,}", _age(task.created_at))
        for task in tasks
    ]
    widths = [max(len(cell) for cell in column) for column in zip(_HEADINGS, *rows, strict=True)]
    # The id is what people copy, so it is never cut; the input is.
    title_width = _MAX_TITLE_WIDTH
    if out.is_terminal:
        title_width = min(title_width, max(_MIN_TITLE_WIDTH, out.width - sum(widths) - 2 * len(widths)))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading, width in zip(_HEADINGS, widths, strict=True):
        is_number = heading in ("STEPS", "TOKENS", "AGE")
        table.add_column(heading, no_wrap=True, min_width=width, justify="right" if is_number else "left")
    table.add_column("INPUT", no_wrap=True)
    for task, row in zip(tasks, rows, strict=True):
        cells = [Text(cell) for cell in (*row, one_line(task.title, title_width))]
        cells[_HEADINGS.index("STATUS")].stylize(_STYLES.get(task.status, "red"))
        table.add_row(*cells)
    write_table(table)


def _print_transcript(server: Server, task_id: str) -> None:
    try:
        server.call(partial(_print_messages, task_id))
    except ServerUnreachable as error:
        out.print(Text(f"The transcript can't be read now: {error}", style="yellow"), soft_wrap=True)


async def _print_messages(task_id: str, client: OpspawnClient) -> None:
    lines = MessageLines()
    start = 0
    while messages := (await client.transcript(task_id, start=start)).messages:
        for message in messages:
            for line in lines.render(message):
                out.print(line, soft_wrap=True)
        start += len(messages)


def _age(created_at: datetime | None) -> str:
    """Return the time since ``created_at`` as ``5s``, ``3m``, ``2h`` or ``4d``."""
    if created_at is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - created_at).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
