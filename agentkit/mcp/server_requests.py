"""Requests to one server, each within its time, with errors that name the server and the phase."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from mcp import Client, MCPError
from mcp_types import CONNECTION_CLOSED, METHOD_NOT_FOUND, REQUEST_TIMEOUT, ServerCapabilities
from pydantic import ValidationError

from agentkit.errors import McpServerUnavailable, ToolError
from agentkit.mcp.server_problems import Phase, unavailable
from agentkit.mcp.server_sessions import RequestHandlers, ServerSessions
from agentkit.mcp_config.mcp_settings import McpServerSettings

__all__ = ["ServerRequests"]

_LOGGER = logging.getLogger(__name__)
_MAX_PAGES = 100
_MAX_ITEMS = 10_000

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


class ServerRequests:
    """What a worker asks of one server, besides tool calls."""

    def __init__(self, name: str, settings: McpServerSettings, open_sessions: Callable[[], ServerSessions]) -> None:
        """``open_sessions`` is called before the first request; it may raise ``McpServerUnavailable``."""
        self.name = name
        self.settings = settings
        self._open_sessions = open_sessions
        self._sessions: ServerSessions | None = None
        self._in_use = 0
        self._is_retired = False
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def session(self, handlers: RequestHandlers | None = None) -> AsyncIterator[Client]:
        """Return a client for one request; see ``ServerSessions``."""
        if self._sessions is None:
            self._sessions = self._open_sessions()
        self._in_use += 1
        try:
            async with self._sessions.session(handlers) as client:
                yield client
        finally:
            self._in_use -= 1
            self._close_if_unused()

    def retire(self) -> None:
        """End the connections as soon as no request uses them."""
        self._is_retired = True
        self._close_if_unused()

    async def aclose(self) -> None:
        """End the connections."""
        sessions, self._sessions = self._sessions, None
        if sessions is not None:
            await sessions.aclose()
        if self._closing:
            await asyncio.wait(self._closing)

    def _close_if_unused(self) -> None:
        if self._is_retired and self._in_use == 0 and self._sessions is not None:
            sessions, self._sessions = self._sessions, None
            closing = asyncio.create_task(sessions.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._end_close)

    def _end_close(self, closing: asyncio.Task[None]) -> None:
        self._closing.discard(closing)
        if not closing.cancelled() and closing.exception() is not None:
            _LOGGER.warning("MCP server %s (close): %r", self.name, closing.exception())

    async def request(
        self, method: str, send: Callable[[Client], Awaitable[_Result]], *, phase: Phase = "request"
    ) -> _Result:
        """Send a request and return its result.

        Raises:
            McpServerUnavailable: there is no connection, or no result in time.
            ToolError: the server answered with an error.
        """
        timeout_s = self.settings.opspawn.timeout
        try:
            async with self.session() as client, asyncio.timeout(timeout_s):
                return await send(client)
        except TimeoutError:
            raise unavailable(
                self.name, phase, "timed_out", f"no response to {method} within {timeout_s:g} s"
            ) from None
        except ValidationError as error:
            cause = f"the response to {method} does not fit the protocol: {_first_error(error)}"
            raise unavailable(self.name, phase, "wrong_protocol", cause) from None
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                cause = f"the connection ended during {method}: {error}"
                raise unavailable(self.name, phase, "unreachable", cause) from None
            if error.code == REQUEST_TIMEOUT:
                raise unavailable(self.name, phase, "timed_out", f"no response to {method}: {error}") from None
            raise ToolError(f"MCP server {self.name} answers {method} with an error: {error} ({error.code})") from error

    async def list_all(
        self,
        method: str,
        capability: Callable[[ServerCapabilities], object],
        page: Callable[[Client, str | None], Awaitable[tuple[Sequence[_Item], str | None]]],
    ) -> Sequence[_Item]:
        """Return the items of all pages; none if the server has no such capability.

        Raises:
            McpServerUnavailable: there is no connection, no result in time, or the server answered with an error.
        """

        async def pages(client: Client) -> Sequence[_Item]:
            if capability(client.server_capabilities) is None:
                return []
            return await self._pages(method, client, page)

        try:
            return await self.request(method, pages, phase="list")
        except ToolError as error:
            if isinstance(error.__cause__, MCPError) and error.__cause__.code == METHOD_NOT_FOUND:
                return []
            raise McpServerUnavailable(str(error), server=self.name, kind="failed") from None

    async def _pages(
        self,
        method: str,
        client: Client,
        page: Callable[[Client, str | None], Awaitable[tuple[Sequence[_Item], str | None]]],
    ) -> Sequence[_Item]:
        items: list[_Item] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            found, cursor = await page(client, cursor)
            items += found
            if cursor is None:
                return items
            if len(items) > _MAX_ITEMS:
                break
        _LOGGER.warning("MCP server %s: %s is cut after %d items", self.name, method, len(items))
        return items


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
