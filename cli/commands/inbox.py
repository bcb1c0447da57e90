"""``opspawn inbox``: what all tasks ask people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, get_args

import typer

from agentkit.client import ApiUnreachable, InputRequestList, OpspawnClient
from agentkit.input_requests import InputRequestKind
from cli.command_options import AsJson, Server, Url
from cli.errors import UsageWrong
from cli.views.console import out, text_width, write_json, write_message
from cli.views.inbox_table import InboxDisplay, inbox_lines

__all__ = ["inbox"]

_INTERVAL_S = 2.0
"""Between two requests of the live view."""


def inbox(
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help=f"Only {', '.join(get_args(InputRequestKind))}; may be repeated."),
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="AGENT", help="Only what this agent's tasks ask.")] = None,
    approver: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this person or group may answer.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what waits for longer, such as 1h.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Of how many tasks at most.")] = 50,
    once: Annotated[bool, typer.Option("--once", help="Print it once, also on a terminal.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Show what tasks ask people; on a terminal, until Ctrl-C.

    Those of the newest tasks come first.
    """
    kinds = _kinds(kind or [])
    server = Server(url)

    async def read(client: OpspawnClient) -> InputRequestList:
        return await client.input_requests(
            kind=kinds, agent=agent, approver=approver, older_than=older_than, limit=limit
        )

    if out.is_terminal and not out.is_dumb_terminal and not once and not as_json:
        try:
            server.call(lambda client: _show(client, read))
        except KeyboardInterrupt:
            return
    page = server.call(read)
    if as_json:
        write_json(page.raw)
    else:
        _print(server, page)


def _print(server: Server, page: InputRequestList) -> None:
    for line in inbox_lines(page, text_width(out)):
        out.print(line, soft_wrap=True)
    if page.next_cursor is not None:
        write_message(out, "There are more; --limit shows more.", style="dim")
    if page.input_requests:
        first = page.input_requests[0]
        verb = "approve" if first.kind == "approval" else "answer"
        show = server.command_line("show", first.task_id)
        answer = server.command_line(verb, first.task_id, first.id)
        write_message(out, f"See the whole of it: `{show}`", style="dim")
        write_message(out, f"Answer it: `{answer}`", style="dim")


async def _show(client: OpspawnClient, read: Callable[[OpspawnClient], Awaitable[InputRequestList]]) -> None:
    """Draw the newest page again and again."""
    page = await read(client)
    with InboxDisplay(out) as display:
        display.show(page)
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                display.show(await read(client))
            except ApiUnreachable as error:
                display.show_loss(str(error))


def _kinds(names: list[str]) -> list[InputRequestKind]:
    kinds: list[InputRequestKind] = [kind for kind in get_args(InputRequestKind) if kind in names]
    if unknown := [name for name in names if name not in get_args(InputRequestKind)]:
        raise UsageWrong(f"--kind {unknown[0]}: expected one of {', '.join(get_args(InputRequestKind))}")
    return kinds
