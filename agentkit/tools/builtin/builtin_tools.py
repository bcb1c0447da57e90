"""The tools that come with agentkit."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from http import HTTPStatus
from typing import Annotated

from pydantic import Field

from agentkit.errors import ToolError
from agentkit.interfaces import Fetcher, FetchResult, HttpClient, NoSecrets, Secrets, Tool
from agentkit.tools.builtin.ask_person import ask_person_tool
from agentkit.tools.builtin.calculator import calculate
from agentkit.tools.builtin.http_request_tool import http_request_tool
from agentkit.tools.builtin.read_result import read_result_tool
from agentkit.tools.function_tool import tool
from agentkit.validation.validation_messages import did_you_mean

__all__ = ["builtin_tools"]

_PAGE_CHARS = 20_000
"""The most characters of one page in a result; results of more than about 32,000 characters are cut."""
_MAX_BYTES = 1_000_000
_FETCH_TIMEOUT_S = 25.0
"""Less than the tool's own timeout, so that the model reads which page was slow."""


def _now() -> datetime:
    return datetime.now(UTC)


def builtin_tools(
    fetcher: Fetcher | None = None,
    now: Callable[[], datetime] = _now,
    client: HttpClient | None = None,
    secrets: Secrets = NoSecrets(),  # noqa: B008  it has no state
) -> Sequence[Tool]:
    """Return ``calculator``, ``current_time``, ``http_fetch``, ``read_result``, ``http_request`` and ``ask_person``.

    Without a ``fetcher``, ``http_fetch`` has a spec, but its calls fail; ``http_request`` likewise without a
    ``client``. ``read_result`` works in workers only, which replace it, and ``ask_person`` in workflows only. ``now``
    returns the current time.
    """
    request = http_request_tool(client, secrets)
    others = read_result_tool(), request, ask_person_tool()
    return (_calculator(), _current_time(now), _http_fetch(fetcher), *others)


def _calculator() -> Tool:
    @tool(effect="pure", fast=True, timeout="10s")
    def calculator(expression: str) -> str:
        """Work out an arithmetic expression. Use it for any sum that isn't trivial.

        It supports + - * / // % ** and parentheses, pi and e, and functions such as sqrt, log, sin (radians), round,
        floor, min, max, gcd and factorial.

        Args:
            expression: Such as ``(3 + 4) * sqrt(2)``.
        """
        return calculate(expression)

    return calculator


def _current_time(now: Callable[[], datetime]) -> Tool:
    @tool(effect="pure", timeout="10s")
    def current_time(timezone: str = "UTC") -> str:
        """Return the current date, time and weekday.

        Args:
            timezone: IANA name, such as ``Europe/Berlin``.
        """
        local = now().astimezone(_zone(timezone))
        return f"{local.isoformat(timespec='seconds')} ({local:%A}, {timezone})"

    return current_time


def _zone(name: str) -> tzinfo:
    if name.upper() in ("UTC", "Z", "GMT"):
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = did_you_mean(name, zoneinfo.available_timezones())
        raise ToolError(f"There is no timezone {name!r}.{hint} Give an IANA name such as Europe/Berlin.") from error


def _http_fetch(fetcher: Fetcher | None) -> Tool:
    @tool(effect="pure", timeout="30s")
    async def http_fetch(url: str, start: Annotated[int, Field(ge=0)] = 0) -> str:
        """Fetch a public web page or text file by HTTP GET, and return its text; HTML as readable text with links.

        Args:
            url: Absolute, with http:// or https://.
            start: Offset in the text, in characters; to read the rest of a long page.
        """
        if fetcher is None:
            raise ToolError("Nothing can be fetched in this process. A worker can: give the task to one.")
        return _format_page(await fetcher.fetch(url, max_bytes=_MAX_BYTES, timeout_s=_FETCH_TIMEOUT_S), start)

    return http_fetch


def _format_page(result: FetchResult, start: int) -> str:
    end = start + _PAGE_CHARS
    total = len(result.text)
    notes = [f"{_status(result.status)}, {result.content_type or 'no content type'}, {result.url}"]
    if start or end < total:
        notes.append(f"Characters {min(start, total)} to {min(end, total)} of {total}.")
    if end < total:
        notes.append(f"Call again with start={end} to read on.")
    elif result.truncated:
        notes.append(f"The page is longer, but only its first {_MAX_BYTES} bytes were read.")
    return f"[{' '.join(notes)}]\n\n{result.text[start:end]}"


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)
