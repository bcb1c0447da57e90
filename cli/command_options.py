"""Options that several commands share: the API's address, the app directory, JSON output, a task's id, limits."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import typer
from pydantic import JsonValue, ValidationError

from activities.settings import Settings
from activities.shell_commands import opspawn_command, shell_path, with_local_commands
from agentkit.client import ApiUnreachable, ClientError, OpspawnClient, RequestRefused
from agentkit.errors import ConfigurationInvalid
from agentkit.specs import Limits, RaisedLimits
from cli.errors import CommandFailed, ServerUnreachable, UsageWrong

__all__ = [
    "Answerer",
    "AppDir",
    "AsJson",
    "AsPerson",
    "DataDir",
    "Groups",
    "Server",
    "ServerConnection",
    "TaskId",
    "TemporalPort",
    "Url",
    "api_url",
    "app_settings",
    "parse_limits",
    "text_argument",
    "url_option",
    "utf8_text",
]

_T = TypeVar("_T")

Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="The API's URL. Default: OPSPAWN_URL, else this machine.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's response, as JSON.")]
AppDir = Annotated[Path | None, typer.Option(help="Directory of agents/ and tools/. Default: .")]
DataDir = Annotated[Path | None, typer.Option(help="Where tasks are stored. Default: .opspawn in the app directory.")]
TemporalPort = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Of Temporal on this machine. Default: TEMPORAL_ADDRESS, else 7233."),
]
AsPerson = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who answers. Default: this machine's user.")
]
Groups = Annotated[
    list[str] | None, typer.Option("--group", metavar="GROUP", help="A group that you are in; may be repeated.")
]
TaskId = Annotated[str, typer.Argument(metavar="ID", help="The task's id, as `opspawn tasks` lists it.")]


@dataclass(frozen=True, slots=True)
class Answerer:
    """The person at this command line, for tasks that ask people."""

    name: str | None
    groups: tuple[str, ...] = ()

    @classmethod
    def of_options(cls, name: str | None, groups: list[str] | None) -> Answerer:
        """Return who the options name; without one, the operating system's user."""
        if name is None:
            with suppress(OSError, KeyError):  # a container's user may have no name
                name = getpass.getuser()
        return cls(name, tuple(groups or ()))


@dataclass(frozen=True, slots=True)
class Server:
    """The API that a command uses."""

    url: str | None
    """The option ``--url``; None: as configured."""

    def call(self, request: Callable[[OpspawnClient], Awaitable[_T]]) -> _T:
        """Return what ``request`` returns; the client's errors become errors of the command line.

        Raises:
            CommandFailed: the API failed; UsageWrong: it refused; ServerUnreachable: it didn't respond.
        """
        with self.connected() as connection:
            return connection.call(request)

    @contextmanager
    def connected(self) -> Iterator[ServerConnection]:
        """Open a connection for several calls.

        Raises:
            UsageWrong: the option ``--url`` is no address.
        """
        with asyncio.Runner() as runner:
            client = self._client()
            try:
                yield ServerConnection(runner, client, self.start_hint)
            finally:
                runner.run(client.aclose())

    def command_line(self, *arguments: str) -> str:
        """Return a command of ``opspawn`` with the options that address this server, for a person to copy."""
        return opspawn_command(*arguments, *(["--url", self.url] if self.url else []))

    def start_hint(self) -> str:
        """Return how to start this server, or to name another."""
        settings = Settings.load()
        address = urlsplit(self.url or api_url(settings))
        start = "Start it"
        if address.scheme == "http" and address.hostname in ("127.0.0.1", "localhost"):
            port = address.port or 80
            start += f" with `{opspawn_command('dev', *([] if port == settings.port else ['--port', str(port)]))}`"
        return f"{start}, or name another with --url or OPSPAWN_URL."

    def _client(self) -> OpspawnClient:
        try:
            settings = Settings.load(url=self.url)
            return OpspawnClient(api_url(settings), api_key=settings.api_key_text)
        except ConfigurationInvalid as invalid:
            raise UsageWrong(f"--url {invalid}") from None


@dataclass(frozen=True, slots=True)
class ServerConnection:
    """Makes one call of the API after the other, each until it has ended or Ctrl-C is pressed."""

    runner: asyncio.Runner
    client: OpspawnClient
    start_hint: Callable[[], str]
    """How to start the server, or to name another."""

    def call(self, request: Callable[[OpspawnClient], Awaitable[_T]]) -> _T:
        """As ``Server.call``."""
        try:
            return self.runner.run(_awaited(request(self.client)))
        except RequestRefused as refused:
            hint = " Set OPSPAWN_API_KEY to a key that the API knows." if refused.status == 401 else ""
            raise UsageWrong(f"{with_local_commands(str(refused))}{hint}") from None
        except ApiUnreachable as unreachable:
            start = "" if unreachable.status else f" {self.start_hint()}"
            raise ServerUnreachable(f"{with_local_commands(str(unreachable))}{start}") from None
        except ClientError as failed:
            raise CommandFailed(with_local_commands(str(failed))) from None


async def _awaited(response: Awaitable[_T]) -> _T:
    return await response


def api_url(settings: Settings) -> str:
    """Return the API's URL: as configured, else on this machine at the port that ``opspawn dev`` would use."""
    return settings.url if "url" in settings.model_fields_set else f"http://127.0.0.1:{settings.port}"


def url_option(url: str) -> list[str]:
    """Return the option that another terminal needs to reach the API at ``url``."""
    default = f"http://127.0.0.1:{Settings.model_fields['port'].default}"
    try:
        is_configured = api_url(Settings.load()) == url
    except ConfigurationInvalid:
        is_configured = False
    return [] if is_configured and url == default else ["--url", url]


def app_settings(app_dir: Path | None, **options: object) -> Settings:
    """Return the settings with absolute paths, which mean the same in every process.

    Raises:
        UsageWrong: there is no such app directory. ConfigurationInvalid: a setting is wrong.
    """
    settings = Settings.load(app_dir, **options)
    if not settings.app_dir.is_dir():
        path = shell_path(settings.app_dir)
        raise UsageWrong(f"--app-dir {path}: no such directory. Make one with `{opspawn_command('init', path)}`.")
    return settings.model_copy(update={"app_dir": settings.app_dir.absolute()})


def parse_limits(pairs: list[str], kind: type[Limits | RaisedLimits] = Limits) -> dict[str, JsonValue]:
    """Return the ``limits`` of a task for options such as ``["max_steps=5", "deadline=1h"]``.

    With the kind ``RaisedLimits``, those that a running task gets.

    Raises:
        UsageWrong: names the limit and what was expected.
    """
    limits: dict[str, JsonValue] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageWrong(f"--limit {pair}: expected KEY=VALUE, such as max_steps=5")
        if key not in kind.model_fields:
            raise UsageWrong(f"--limit {pair}: unknown limit. Known limits: {', '.join(kind.model_fields)}")
        limits[key] = _number_or_text(value)
    try:
        return kind.model_validate(limits).model_dump(mode="json", include=set(limits))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageWrong(f"--limit {first['loc'][0]}={first['input']}: {first['msg']}") from None


def text_argument(argument: str, name: str, expected: str) -> str:
    """Return the text of an argument, or all of stdin for ``-``.

    Raises:
        UsageWrong: it isn't UTF-8, or empty.
    """
    content = argument.encode(errors="surrogatepass")
    if argument == "-":
        content = b"" if sys.stdin is None else sys.stdin.buffer.read()
    text = utf8_text(content, name)
    if not text.strip():
        raise UsageWrong(f"{name} is empty: {expected}.")
    return text


def utf8_text(content: bytes, name: str) -> str:
    """Return what a person has written as text.

    Raises:
        UsageWrong: it isn't UTF-8.
    """
    try:
        return content.decode()
    except UnicodeError as error:
        raise UsageWrong(f"{name} isn't UTF-8 text: {error}") from None


def _number_or_text(text: str) -> int | float | str:
    for convert in (int, float):
        with suppress(ValueError):
            return convert(text)
    return text
