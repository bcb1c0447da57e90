"""Options that several commands share, and what they mean."""

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
    str | None, typer.Option("--url", metavar="URL", help="Where the API is. Default: OPSPAWN_URL, else this machine.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answers, as JSON.")]
TaskId = Annotated[str, typer.Argument(metavar="ID", help="The task's id, as `opspawn tasks` lists it.")]


@dataclass(frozen=True, slots=True)
class Server:
    """The API that a command talks to."""

    url: str | None
    """As given on the command line."""

    def ask(self, question: Callable[[OpspawnClient], Awaitable[_T]]) -> _T:
        """Return what the API answers; what the client raises becomes a command's error.

        Raises:
            CommandFailed: UsageWrong where the API refuses, ServerUnreachable where it doesn't answer.
        """
        try:
            return asyncio.run(self._ask(question))
        except RequestRefused as refused:
            raise UsageWrong(str(refused)) from None
        except ApiUnreachable as unreachable:
            start = " Start it with `opspawn dev`, or name another with --url or OPSPAWN_URL."
            raise ServerUnreachable(f"{unreachable}{'' if unreachable.status else start}") from None
        except ClientError as failed:
            raise CommandFailed(str(failed)) from None

    def hint(self, command: str) -> str:
        """Return a command line that finds this server, for a person to copy."""
        return f"opspawn {command}" + (f" --url {self.url}" if self.url else "")

    async def _ask(self, question: Callable[[OpspawnClient], Awaitable[_T]]) -> _T:
        try:
            client = OpspawnClient(api_url(Settings.load(url=self.url)))
        except ConfigurationInvalid as invalid:
            raise UsageWrong(f"--url {invalid}") from None
        async with client:
            return await question(client)


def api_url(settings: Settings) -> str:
    """Return where the API is: as set, else on this machine at the port that ``opspawn dev`` would take."""
    return settings.url if "url" in settings.model_fields_set else f"http://127.0.0.1:{settings.port}"


def parse_limits(pairs: list[str]) -> dict[str, JsonValue]:
    """Turn ``["max_steps=5", "deadline=1h"]`` into the ``limits`` of a task.

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
