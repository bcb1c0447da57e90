"""``opspawn memory``: list, search, add, forget, export and import what agents remember."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypedDict
from uuid import UUID

import typer
from rich.text import Text

from agentkit.client import ImportedMemories, MemoryList, OpspawnClient, StoredMemory
from agentkit.config.durations import parse_duration
from cli.command_options import AsJson, Server, Url, text_argument
from cli.errors import CommandFailed, Interrupted, UsageWrong
from cli.views.console import err, one_line, out, printable, write_json, write_message
from cli.views.table import write_table
from cli.views.times import age, time_left

__all__ = ["memory"]

_MAX_TEXT_CHARS = 400

memory = typer.Typer(no_args_is_help=True, help="List, search, add, forget, export and import what agents remember.")

_User = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Those of this user. Default: default.")]
_Agent = Annotated[str | None, typer.Option("--agent", metavar="AGENT", help="Those that all users of an agent share.")]
_All = Annotated[bool, typer.Option("--tenant", help="Those that all users and agents share.")]


class _ScopeOptions(TypedDict, total=False):
    user: str
    agent: str
    scope: str


class _Scope:
    """The scope of a command, from its options."""

    def __init__(self, user: str | None, agent: str | None, *, tenant: bool) -> None:
        if sum((user is not None, agent is not None, tenant)) > 1:
            raise UsageWrong("--user, --agent and --tenant exclude each other: use one of them.")
        self.is_named = user is not None or agent is not None or tenant
        self.options: _ScopeOptions = {}
        """Keyword arguments of the client's methods."""
        if user is not None:
            self.options["user"] = user
        if agent is not None:
            self.options["agent"] = agent
        if tenant:
            self.options["scope"] = "tenant"

    def __str__(self) -> str:
        """Return a text for people."""
        if "scope" in self.options:
            return "the tenant"
        return next((f"{key} {value}" for key, value in self.options.items()), "user default")


@memory.command("list")
def list_memories(
    user: _User = None,
    agent: _Agent = None,
    tenant: _All = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(metavar="CURSOR", help="Go on after the page that ended there.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List what is remembered, newest first."""
    scope, server = _Scope(user, agent, tenant=tenant), Server(url)
    page = server.call(lambda client: client.memories.list(**scope.options, limit=limit, cursor=cursor))
    if as_json:
        write_json(page.raw)
        return
    _print(page, f"Nothing is remembered of {scope}.")
    if page.next_cursor is not None:
        total = "" if page.total is None else f" of {page.total}"
        write_message(out, f"{len(page.memories)}{total}; --cursor {page.next_cursor} shows more.", style="dim")


@memory.command("search")
def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A question, or words.")],
    user: _User = None,
    agent: _Agent = None,
    tenant: _All = False,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most.")] = 10,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Find memories by meaning and by words, best first, as agents recall them."""
    scope = _Scope(user, agent, tenant=tenant)
    found = Server(url).call(lambda client: client.memories.search(query, **scope.options, limit=limit))
    if as_json:
        write_json(found.raw)
    else:
        _print(found, f"Nothing that is remembered of {scope} fits.")


@memory.command("add")
def add(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to remember; - reads it from stdin.")],
    user: _User = None,
    agent: _Agent = None,
    tenant: _All = False,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Stored with it; may be repeated.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="Forget it by itself after this time, such as 30d.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Remember a text; the same one twice is one memory."""
    scope = _Scope(user, agent, tenant=tenant)
    content = text_argument(text, "TEXT", "write what should be remembered")
    pairs, expires_at = _metadata(metadata or []), _expires_at(expires)
    added = Server(url).call(
        lambda client: client.memories.add(content, **scope.options, metadata=pairs, expires_at=expires_at)
    )
    if as_json:
        write_json(added.raw)
        return
    outcomes = {
        "new": "is remembered",
        "same": "was remembered already",
        "updated": "took the place of nearly the same text",
    }
    write_message(out, f"{added.id} {outcomes[added.outcome]} ({added.scope or scope}).")


@memory.command("forget")
def forget(
    memory_id: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="As list shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All memories of --user, --agent or --tenant.")] = False,
    user: _User = None,
    agent: _Agent = None,
    tenant: _All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --all: without a question.")] = False,
    url: Url = None,
) -> None:
    """Erase memories: by their ids, or all of a user, an agent or the tenant."""
    scope, server = _Scope(user, agent, tenant=tenant), Server(url)
    if everything:
        _erase(server, scope, memory_id or [], confirmed=yes)
        return
    if not memory_id:
        raise UsageWrong(
            "Name the memories by their ids: `opspawn memory list` shows them. --all erases all of a user."
        )
    if scope.is_named:
        raise UsageWrong("--user, --agent and --tenant go with --all: an id is of one memory alone.")
    for each in memory_id:
        if not _is_id(each):
            raise UsageWrong(f"{each!r} is no memory's id: `opspawn memory list` shows them.")
    for each in memory_id:
        server.call(lambda client, each=each: client.memories.forget(each))  # type: ignore[misc]  # a bound argument
        write_message(out, f"{each} is forgotten.")


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


@memory.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: stdout.")] = None,
    user: _User = None,
    agent: _Agent = None,
    tenant: _All = False,
    url: Url = None,
) -> None:
    """Write memories as lines of JSON, oldest first: import reads them."""
    scope = _Scope(user, agent, tenant=tenant)
    try:
        with nullcontext() if file is None else file.open("xb") as target:

            async def write(client: OpspawnClient) -> int:
                count = 0
                async with client.memories.export(**scope.options) as blocks:
                    async for block in blocks:
                        count += block.count(b"\n")
                        if target is None:
                            out.write_bytes(block)
                        else:
                            target.write(block)
                return count

            count = Server(url).call(write)
    except FileExistsError:
        raise UsageWrong(f"{file} exists already: name another file.") from None
    except OSError as error:
        raise CommandFailed(f"{file} can't be written: {error.strerror or error}.") from None
    write_message(err, f"{count} memories of {scope} were written.", style="dim")


@memory.command("import")
def import_memories(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Lines of JSON, as export writes; - reads stdin.")],
    user: _User = None,
    agent: _Agent = None,
    tenant: _All = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Remember lines of JSON, such as {"text": "Ada likes tea."}; repeating it changes nothing.

    With --user, --agent or --tenant they become memories of that one, else of whom each line names.
    """
    scope, server = _Scope(user, agent, tenant=tenant), Server(url)
    try:
        if file == "-":
            total = _import(server, sys.stdin or (), scope)
        else:
            with Path(file).open(encoding="utf-8") as lines:
                total = _import(server, lines, scope)
    except OSError as error:
        raise UsageWrong(f"{file} can't be read: {error.strerror or error}.") from None
    except UnicodeError as error:
        raise UsageWrong(f"{file} isn't UTF-8 text: {error}") from None
    if as_json:
        write_json(total.model_dump(mode="json"))
    else:
        write_message(out, f"{total.imported} new, {total.same} remembered before, {total.updated} updated.")


@memory.command("reindex")
def reindex(as_json: AsJson = False, url: Url = None) -> None:
    """Compute the vectors of all memories anew, as another embedding model demands; it may take minutes."""
    try:
        count = Server(url).call(lambda client: client.memories.reindex())
    except KeyboardInterrupt:
        raise Interrupted("Interrupted: the worker may go on with it. It is safe to repeat.") from None
    if as_json:
        write_json({"indexed": count})
    else:
        write_message(out, f"{count} memories have vectors of the present embedding model.")


def _import(server: Server, lines: Iterable[str], scope: _Scope) -> ImportedMemories:
    return server.call(lambda client: client.memories.import_lines(lines, **scope.options))


def _erase(server: Server, scope: _Scope, ids: list[str], *, confirmed: bool) -> None:
    if ids or not scope.is_named:
        raise UsageWrong("--all takes no ids, and one of --user NAME, --agent AGENT and --tenant.")
    if not confirmed and not typer.confirm(f"Erase all memories of {scope}?", err=True):
        raise CommandFailed("Nothing was erased.")
    count = server.call(lambda client: client.memories.erase(**scope.options))
    write_message(out, f"{count} memor{'y' if count == 1 else 'ies'} of {scope} erased.")


def _metadata(pairs: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageWrong(f"--metadata {pair}: expected KEY=VALUE")
        values[key] = value
    return values


def _expires_at(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageWrong(f"--expires {error}") from None
    try:
        expires_at = datetime.now(UTC) + timedelta(seconds=float(str(seconds)))
    except OverflowError:
        raise UsageWrong(f"--expires {text}: that is too far ahead") from None
    if expires_at <= datetime.now(UTC):
        raise UsageWrong(f"--expires {text}: expected a time ahead, such as 30d")
    return expires_at


def _print(page: MemoryList, nothing: str) -> None:
    if not page.memories:
        write_message(out, nothing)
        return
    write_table(("ID", "AGE", "TEXT"), [_cells(each) for each in page.memories], numbers=frozenset({"AGE"}), wraps=True)


def _cells(stored: StoredMemory) -> list[Text]:
    text = Text(one_line(stored.text, _MAX_TEXT_CHARS))
    notes = []
    if stored.superseded_by is not None:
        notes.append(f"superseded by {stored.superseded_by}")
    if stored.expires_at is not None:
        notes.append(f"expires in {time_left(stored.expires_at)}")
    if stored.score is not None:
        notes.append(f"score {stored.score:.2f}")
    if notes:
        text.append(f" ({printable(', '.join(notes))})", "dim")
    return [Text(printable(stored.id)), Text(age(stored.created_at)), text]
