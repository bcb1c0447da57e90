"""``opspawn workers``: workers, their versions, and the tasks of each; make a version current, or drain it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from activities.shell_commands import with_local_commands
from agentkit.client import WorkerList, WorkerVersion
from cli.command_options import AsJson, Server, Url
from cli.errors import UsageWrong
from cli.views.console import err, out, printable, write_json, write_message
from cli.views.table import write_table
from cli.views.times import age

__all__ = ["workers"]

_HEADINGS = ("VERSION", "STATUS", "WORKERS", "TASKS", "AGE", "PINNED TASKS")
_NUMBERS = frozenset({"WORKERS", "TASKS"})
_STYLES = {"current": "green", "ramping": "green", "draining": "yellow"}
_MAX_SHOWN_TASKS = 5
"""Of one version; --json has more."""

workers = typer.Typer(help="Show workers and their versions; make a version current, or move its tasks.")


@workers.callback(invoke_without_command=True)
def list_workers(context: typer.Context, as_json: AsJson = False, url: Url = None) -> None:
    """Show the workers' versions, how many poll, and which tasks are pinned to an old one."""
    if context.invoked_subcommand is not None:
        return
    listed = Server(url).call(lambda client: client.workers.list())
    if as_json:
        write_json(listed.raw)
    else:
        _show(listed)


@workers.command("set-current")
def set_current(
    build_id: Annotated[str | None, typer.Argument(metavar="BUILD_ID", help="As `opspawn workers` shows it.")] = None,
    unversioned: Annotated[bool, typer.Option("--unversioned", help="Workers without a build id.")] = False,
    allow_no_workers: Annotated[
        bool, typer.Option("--allow-no-workers", help="Also where no worker of the version polls yet.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Give new tasks to the workers of a version. Running tasks stay with theirs."""
    if (build_id is None) != unversioned:
        raise UsageWrong("Name a build id, or --unversioned")
    listed = Server(url).call(lambda client: client.workers.set_current(build_id, allow_no_workers=allow_no_workers))
    if as_json:
        write_json(listed.raw)
    else:
        _show(listed)


@workers.command("drain")
def drain(
    build_id: Annotated[str, typer.Argument(metavar="BUILD_ID", help="As `opspawn workers` shows it.")],
    override: Annotated[
        bool,
        typer.Option("--override", help="Also tasks within a step: the current version replays their history."),
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Move a version's open tasks and conversations to the current version.

    Each moves between two steps. Where no worker of the version polls any more, they are moved as they are.
    """
    server = Server(url)
    signalled = moved = 0
    while True:
        drained = server.call(lambda client: client.workers.drain(build_id, override=override))
        signalled, moved = signalled + drained.signalled, moved + drained.moved
        if not drained.remaining or not drained.moved:  # those that are only signalled stay in the list for a while
            break
    if as_json:
        write_json({"signalled": signalled, "moved": moved, "remaining": drained.remaining})
        return
    if moved:
        write_message(out, f"Moved {_count(moved)} of version {printable(build_id)} to the current version.")
    if signalled:
        write_message(
            out,
            f"Asked {_count(signalled)} of version {printable(build_id)} to move: each does between two steps, or when "
            f"a person has answered it. See what is left with `{server.command_line('workers')}`.",
        )
    if not moved and not signalled:
        write_message(out, f"No open task is pinned to version {printable(build_id)}.")
    if drained.remaining:
        write_message(err, f"{drained.remaining} more are left: repeat the command later.", style="yellow")


def _show(listed: WorkerList) -> None:
    if not listed.versions:
        write_message(out, f"No worker polls task queue {listed.task_queue!r}.")
        return
    headings: tuple[str, ...] = _HEADINGS
    rows = [_cells(version, listed) for version in listed.versions]
    if len({version.deployment for version in listed.versions} - {None}) > 1:
        headings = ("DEPLOYMENT", *headings)
        rows = [[Text(version.deployment or ""), *row] for version, row in zip(listed.versions, rows, strict=True)]
    write_table(headings, rows, numbers=_NUMBERS, wraps=True)
    if listed.problem is not None:
        write_message(err, with_local_commands(listed.problem), style="red")
    for version in listed.versions:
        if version.problem is not None:
            write_message(err, with_local_commands(version.problem), style="red")


def _cells(version: WorkerVersion, listed: WorkerList) -> list[Text]:
    name = "unversioned" if version.build_id is None else version.build_id
    status = version.status
    if status == "ramping":
        status += f" {listed.ramping_percentage:g} %"
    shown = version.task_ids[:_MAX_SHOWN_TASKS]
    more = version.tasks - len(shown)
    tasks = ", ".join(shown) + (f" and {more} more" if shown and more > 0 else "")
    return [
        Text(name),
        Text(status, style=_STYLES.get(version.status, "")),
        Text(str(version.workers)),
        Text("" if version.build_id is None else str(version.tasks)),
        Text(age(version.created_at)),
        Text(tasks),
    ]


def _count(count: int) -> str:
    return "1 task or conversation" if count == 1 else f"{count} tasks and conversations"
