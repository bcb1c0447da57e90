"""Options that several commands share: the API's address, JSON output, a task's id, limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer
from pydantic import JsonValue, ValidationError

from activities.settings import Settings
from agentkit.client import ApiUnreachable, ClientError, OpspawnClient, RequestRefused
from agentkit.errors import ConfigurationInvalid
from agentkit.specs import Limits
from cli.errors import CommandFailed, ServerUnreachable, UsageWrong

__all__ = ["AsJson", "Server", "TaskId", "Url", "api_url", "parse_limits"]

_T = TypeVar("_T")

Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="The API's URL. Default: OPSPAWN_URL, else this machine.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's response, as JSON.")]
TaskId = Annotated[str, typer.Argument(metavar="ID", help="The task's id, as `opspawn tasks` lists it.")]


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
        try:
            return asyncio.run(self._call(request))
        except RequestRefused as refused:
            raise UsageWrong(str(refused)) from None
        except ApiUnreachable as unreachable:
            start = " Start it with `opspawn dev`, or name another with --url or OPSPAWN_URL."
            raise ServerUnreachable(f"{unreachable}{'' if unreachable.status else start}") from None
        except ClientError as failed:
            raise CommandFailed(str(failed)) from None

    def command_line(self, command: str) -> str:
        """Return ``opspawn COMMAND`` with the options that address this server, for a person to copy."""
        return f"opspawn {command}" + (f" --url {self.url}" if self.url else "")

    async def _call(self, request: Callable[[OpspawnClient], Awaitable[_T]]) -> _T:
        try:
            client = OpspawnClient(api_url(Settings.load(url=self.url)))
        except ConfigurationInvalid as invalid:
            raise UsageWrong(f"--url {invalid}") from None
        async with client:
            return await request(client)


def api_url(settings: Settings) -> str:
    """Return the API's URL: as configured, else on this machine at the port that ``opspawn dev`` would use."""
    return settings.url if "url" in settings.model_fields_set else f"http://127.0.0.1:{settings.port}"


def parse_limits(pairs: list[str]) -> dict[str, JsonValue]:
    """Return the ``limits`` of a task for options such as ``["max_steps=5", "deadline=1h"]``.

    Raises:
        UsageWrong: names the limit and what was expected.
    """
    limits: dict[str, JsonValue] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageWrong(f"--limit {pair}: expected KEY=VALUE, such as max_steps=5")
        if key not in Limits.model_fields:
            raise UsageWrong(f"--limit {pair}: unknown limit. Known limits: {', '.join(Limits.model_fields)}")
        limits[key] = value
    try:
        return Limits.model_validate(limits).model_dump(mode="json", include=set(limits))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageWrong(f"--limit {first['loc'][0]}={first['input']}: {first['msg']}") from None
