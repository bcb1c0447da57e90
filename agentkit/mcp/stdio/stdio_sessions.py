"""Sessions with an MCP server over stdio: one process for all requests, started when it is needed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import CONNECTION_CLOSED

from agentkit.errors import McpServerUnavailable
from agentkit.mcp.input_callbacks import InputCallbacks
from agentkit.mcp.protocol_choice import client_mode, is_older
from agentkit.mcp.server_problems import unavailable
from agentkit.mcp.server_sessions import RequestHandlers
from agentkit.mcp.stdio.request_attribution import RequestAttribution
from agentkit.mcp.stdio.restart_backoff import RestartBackoff
from agentkit.mcp.stdio.stderr_log import StderrLog
from agentkit.mcp.stdio.stdio_connection import ServerProgram, StdioConnection
from agentkit.mcp_config.mcp_settings import McpServerSettings

__all__ = ["StdioSessions"]

_LOGGER = logging.getLogger(__name__)
_CAUSE_TIMEOUT_S = 2.0
_CHECK_TIMEOUT_S = 5.0
"""How long a server may take to answer a ping after a request has timed out."""


def _ignore(_: IncomingMessage) -> None:
    """Do nothing."""


class StdioSessions:
    """``ServerSessions`` over the standard streams of one process, which all requests share.

    A request that is cut off raises ``mcp.MCPError`` with the code ``CONNECTION_CLOSED``.
    """

    def __init__(
        self,
        server: str,
        settings: McpServerSettings,
        *,
        directory: Path,
        environment: Mapping[str, str],
        log: StderrLog,
        on_message: Callable[[IncomingMessage], None] = _ignore,
    ) -> None:
        """``settings`` have a command, and no placeholders. The process has these variables only."""
        self._server = server
        self._options = settings.opspawn
        self._attribution = RequestAttribution(server, max_wait_s=self._options.elicitation_wait)
        self._program = ServerProgram(
            server=server,
            settings=settings,
            environment=environment,
            directory=directory,
            log=log,
            on_message=on_message,
            callbacks=InputCallbacks(RequestHandlers(ask=self._attribution.ask)),
        )
        self._mode = self._options.protocol
        self._backoff = RestartBackoff()
        self._current: StdioConnection | None = None
        self._starting: asyncio.Task[StdioConnection] | None = None
        self._in_use = 0
        self._is_closed = False
        self._idle_timer: asyncio.TimerHandle | None = None
        self._unrecorded: set[StdioConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def session(self, handlers: RequestHandlers | None = None) -> AsyncIterator[Client]:
        """See ``ServerSessions``. A body that raises ``TimeoutError`` has the server checked."""
        self._in_use += 1
        self._stop_idle_timer()
        try:
            connection = await self._connection()
            client = await connection.connected()
            try:
                if handlers is None or not is_older(client.protocol_version):
                    yield client
                else:
                    async with self._attribution.call(handlers):
                        yield client
            except TimeoutError:
                self._run_in_background(self._check(connection, client))
                raise
            except MCPError as error:
                if error.code == CONNECTION_CLOSED:
                    raise await _with_cause(error, connection) from None
                raise
        finally:
            self._in_use -= 1
            self._start_idle_timer()

    async def aclose(self) -> None:
        """End the process with all its descendants."""
        self._is_closed = True
        self._stop_idle_timer()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        if self._current is not None:
            await self._current.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._program.log.close()

    async def _connection(self) -> StdioConnection:
        """Return a connection that is in use; several callers share a start."""
        if self._current is not None and self._current.is_usable:
            return self._current
        if self._is_closed:
            raise unavailable(self._server, "connect", "failed", "the worker is stopping")
        if self._starting is None:
            self._backoff.check()
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._end_start)
        return await asyncio.shield(self._starting)

    def _end_start(self, task: asyncio.Task[StdioConnection]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # it is retrieved, also when all callers have gone

    async def _start(self) -> StdioConnection:
        if self._current is not None:
            await self._current.stop()  # one process at a time: servers lock files
            self._record_end(self._current)
            self._backoff.check()
        connection = None
        try:
            connection = await self._connect(client_mode(self._server, self._mode))
        except McpServerUnavailable as error:
            if self._mode != "auto" or error.kind != "crashed":
                self._backoff.failed_to_start(error)
                raise
        if connection is None:
            connection = await self._connect_older()
        self._unrecorded.add(connection)
        self._run_in_background(self._watch(connection))
        return connection

    async def _connect_older(self) -> StdioConnection:
        """Connect to a server that may have ended because its first message was not ``initialize``."""
        try:
            connection = await self._connect("legacy")
        except McpServerUnavailable as error:
            self._backoff.failed_to_start(error)
            raise
        self._mode = "legacy"
        return connection

    async def _connect(self, mode: str) -> StdioConnection:
        connection = self._current = StdioConnection(self._program, mode)
        try:
            await connection.connected()
        except McpServerUnavailable:
            if mode != "legacy":
                await connection.stop()
            raise
        except asyncio.CancelledError:
            await connection.stop()
            raise
        return connection

    async def _watch(self, connection: StdioConnection) -> None:
        """Listen to changes of the tools until the connection ends."""
        listening = asyncio.create_task(self._listen(await connection.connected()))
        await asyncio.wait({connection.ended})
        listening.cancel()
        await asyncio.wait({listening})
        self._record_end(connection)

    def _record_end(self, connection: StdioConnection) -> None:
        if connection.problem is not None and connection in self._unrecorded:
            self._unrecorded.discard(connection)
            self._backoff.ended(connection.problem, time.monotonic() - connection.started_at)

    async def _listen(self, client: Client) -> None:
        """Have the server announce changes, which arrive by ``on_message``; older protocols do so unasked."""
        tools = client.server_capabilities.tools
        if is_older(client.protocol_version) or tools is None or not tools.list_changed:
            return
        try:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    pass
        except (MCPError, SubscriptionLost, ListenNotSupportedError, TimeoutError) as error:
            _LOGGER.debug("MCP server %s announces no changes: %s", self._server, error)

    async def _check(self, connection: StdioConnection, client: Client) -> None:
        """End the connection of a server that answers nothing; its requests fail then, and the next one starts it."""
        if not connection.is_usable:
            return
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                if is_older(client.protocol_version):
                    await client.session.send_ping()
                else:
                    await client.session.send_discover(client.protocol_version)
        except (TimeoutError, MCPError) as error:
            if isinstance(error, MCPError) and error.code != CONNECTION_CLOSED:
                return
            _LOGGER.warning("MCP server %s (request): it answers nothing any more, so it is ended", self._server)
            await connection.stop()

    def _start_idle_timer(self) -> None:
        if self._in_use == 0 and not self._is_closed and self._current is not None:
            loop = asyncio.get_running_loop()
            self._stop_idle_timer()
            self._idle_timer = loop.call_later(self._options.idle_timeout, self._end_idle, self._current)

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _end_idle(self, connection: StdioConnection) -> None:
        connection.is_usable = False
        self._run_in_background(connection.stop())

    def _run_in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _with_cause(error: MCPError, connection: StdioConnection) -> MCPError:
    """Return the error of a connection that has ended, with the reason as soon as it is known."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_CAUSE_TIMEOUT_S):
            await connection.problem_known.wait()
    return error if connection.problem is None else MCPError(CONNECTION_CLOSED, str(connection.problem))
