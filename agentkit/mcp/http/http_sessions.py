"""Sessions with an MCP server over HTTP: one client a request, or for older protocols a pool of sessions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2
from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT, DiscoverResult
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from agentkit.mcp.client_identity import CLIENT_INFO
from agentkit.mcp.http.client_task import ClientTask
from agentkit.mcp.http.http_exchange import HttpExchange
from agentkit.mcp.http.http_failures import connect_error, request_error
from agentkit.mcp.http.session_pool import PooledSession, SessionPool
from agentkit.mcp.http.sse_transport import sse_transport
from agentkit.mcp.http.tool_schemas import ToolSchemas
from agentkit.mcp.input_callbacks import InputCallbacks
from agentkit.mcp.protocol_choice import adopt_version, client_mode
from agentkit.mcp.server_problems import unavailable
from agentkit.mcp.server_sessions import RequestHandlers
from agentkit.mcp_config.mcp_settings import McpServerSettings

__all__ = ["HttpSessions"]

_MAX_SESSIONS = 32
"""Of an older protocol: requests beyond it wait, since each session serves one at a time."""
_PING_TIMEOUT_S = 5.0
_MAX_FIRST_ID = 2**50
"""Greater ids than 2**53 are not exact in JavaScript."""
_CLOSE_TIMEOUT_S = 5.0
_TOKEN_TIMEOUT_S = 30.0
"""Of each request to an authorization server; requests to the MCP server have timeouts of their own."""


def _no_auth() -> httpx2.Auth | None:
    return None


class HttpSessions:
    """``ServerSessions`` over HTTP. What the SDK raises when a connection fails becomes an error of one request.

    A request that surely wasn't processed raises ``McpServerUnavailable``, also out of the body of ``session``; one
    that was cut off raises ``mcp.MCPError`` with the code ``CONNECTION_CLOSED``.
    """

    def __init__(
        self,
        server: str,
        settings: McpServerSettings,
        *,
        auth: Callable[[], httpx2.Auth | None] = _no_auth,
        on_message: Callable[[IncomingMessage], None] | None = None,
    ) -> None:
        """``settings`` have a URL, and no placeholders; ``auth`` makes the authorization of one client."""
        self._server = server
        self._settings = settings
        self._options = settings.opspawn
        self._auth = auth
        self._on_message = on_message
        self._http: httpx2.AsyncClient | None = None
        self._negotiating = asyncio.Lock()
        self._discovered: DiscoverResult | None = None
        self._is_legacy = self._always_legacy
        self._schemas = ToolSchemas()
        self._sessions = SessionPool(
            self._open_session,
            size=_MAX_SESSIONS,
            idle_timeout_s=self._options.idle_timeout,
            close_timeout_s=_CLOSE_TIMEOUT_S,
        )

    @asynccontextmanager
    async def session(self, handlers: RequestHandlers | None = None) -> AsyncIterator[Client]:
        """See ``ServerSessions``."""
        discovered = await self._negotiated()
        session = self._pooled(handlers) if discovered is None else self._single(discovered, handlers)
        async with session as client:
            yield client

    async def aclose(self) -> None:
        """End the connections."""
        await self._sessions.aclose()
        if self._http is not None:
            await self._http.aclose()

    @property
    def _always_legacy(self) -> bool:
        protocol = self._options.protocol
        return self._settings.transport == "sse" or protocol == "legacy" or protocol in HANDSHAKE_PROTOCOL_VERSIONS

    async def _negotiated(self) -> DiscoverResult | None:
        """Return what the server says of itself; None if it speaks an older protocol."""
        try:
            async with asyncio.timeout(self._options.connect_timeout), self._negotiating:
                if self._discovered is None and not self._is_legacy:
                    await self._negotiate()
        except TimeoutError:
            raise self._timed_out() from None
        return self._discovered

    async def _negotiate(self) -> None:
        opened = await self._open(mode=client_mode(self._server, self._options.protocol))
        discovered = opened.opened.client.session.discover_result
        if discovered is None:
            self._is_legacy = True
            self._sessions.add(opened)
        else:
            self._discovered = discovered
            await opened.opened.stop(_CLOSE_TIMEOUT_S)

    def _forget(self) -> None:
        """Negotiate anew for the next request: the server may be another one by then."""
        self._discovered = None
        self._is_legacy = self._always_legacy
        self._schemas.forget()

    @asynccontextmanager
    async def _single(self, discovered: DiscoverResult, handlers: RequestHandlers | None) -> AsyncIterator[Client]:
        """Return a client for this request only: 2026-07-28 has no sessions, and a client that dies takes no other."""
        exchange = self._exchange()
        client = self._client(exchange, InputCallbacks(handlers), mode=_modern_version(discovered), known=discovered)
        failed: Exception | None = None
        is_done = False
        try:
            async with client:
                _use_ids_of_its_own(client)
                try:
                    await self._schemas.install(client)
                    yield client
                    is_done = True
                except Exception as error:
                    failed = error  # the SDK's task groups would wrap it
                self._schemas.keep(client)
        except Exception as error:
            if not is_done and failed is None:
                failed = MCPError(CONNECTION_CLOSED, f"the connection ended: {error}")
        if failed is not None:
            raise self._explained(failed, exchange) from None

    @asynccontextmanager
    async def _pooled(self, handlers: RequestHandlers | None) -> AsyncIterator[Client]:
        session = await self._acquire()
        client = session.opened.client
        session.callbacks.begin(handlers)
        is_usable = False
        try:
            await self._schemas.install(client)
            yield client
            is_usable = True
        except MCPError as error:
            is_usable = error.code not in (CONNECTION_CLOSED, REQUEST_TIMEOUT)
            raise self._explained(error, session.exchange) from None
        finally:
            session.callbacks.begin(None)
            self._schemas.keep(client)
            self._sessions.release(session, usable=is_usable)

    def _explained(self, error: Exception, exchange: HttpExchange) -> Exception:
        explained = request_error(self._server, self._settings, error, exchange)
        if explained is not error or (isinstance(error, MCPError) and error.code == CONNECTION_CLOSED):
            self._forget()
        return explained

    async def _acquire(self) -> PooledSession:
        """Return a session that the server knows."""
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                while True:
                    session = await self._sessions.acquire()
                    is_known = False
                    try:
                        is_known = session.is_new or await _answers(session)
                    finally:
                        if not is_known:
                            self._sessions.release(session, usable=False)
                    if is_known:
                        return session
        except TimeoutError:
            raise self._timed_out() from None

    async def _open_session(self) -> PooledSession:
        try:
            return await self._open(mode="legacy")
        except Exception:
            self._forget()
            raise

    async def _open(self, *, mode: str) -> PooledSession:
        exchange, callbacks = self._exchange(), InputCallbacks()
        try:
            opened = await ClientTask.start(self._client(exchange, callbacks, mode=mode))
            if mode in MODERN_PROTOCOL_VERSIONS:
                await _discover(opened, mode)
        except Exception as error:
            raise connect_error(self._server, self._settings, error, exchange) from None
        return PooledSession(opened, exchange, callbacks)

    def _exchange(self) -> HttpExchange:
        if self._http is None:
            self._http = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=None), timeout=_TOKEN_TIMEOUT_S)
        return HttpExchange(
            self._http,
            max_reply_bytes=self._options.max_result_bytes,
            auth=self._auth(),
            replies_in_stream=self._settings.transport == "sse",
        )

    def _client(
        self, exchange: HttpExchange, callbacks: InputCallbacks, *, mode: str, known: DiscoverResult | None = None
    ) -> Client:
        options = self._options
        connect_s = options.connect_timeout
        timeout = httpx2.Timeout(options.timeout, connect=connect_s, pool=connect_s, read=None)
        http = httpx2.AsyncClient(transport=exchange, headers=self._settings.headers, timeout=timeout, trust_env=False)
        url = self._settings.url or ""
        transport: AbstractAsyncContextManager[TransportStreams] = (
            sse_transport(url, http)
            if self._settings.transport == "sse"
            else streamable_http_client(url, http_client=http, max_sse_event_size=None)
        )
        return Client(
            transport,
            mode=mode,
            prior_discover=known,
            read_timeout_seconds=options.timeout + options.elicitation_wait,
            client_info=CLIENT_INFO,
            elicitation_callback=callbacks.elicit,
            sampling_callback=None if options.sampling == "deny" else callbacks.sample,
            list_roots_callback=callbacks.list_roots,
            message_handler=self._receive,
            cache=None,
        )

    async def _receive(self, message: IncomingMessage) -> None:
        if self._on_message is not None:
            self._on_message(message)

    def _timed_out(self) -> Exception:
        cause = f"no connection within {self._options.connect_timeout:g} s (connect_timeout)"
        return unavailable(self._server, "connect", "timed_out", cause)


def _modern_version(discovered: DiscoverResult) -> str:
    return next(version for version in reversed(MODERN_PROTOCOL_VERSIONS) if version in discovered.supported_versions)


async def _discover(opened: ClientTask, version: str) -> None:
    """Ask the server what it has, in one version of the protocol."""
    try:
        await adopt_version(opened.client.session, version)
    except BaseException:
        await opened.stop(_CLOSE_TIMEOUT_S)
        raise


def _use_ids_of_its_own(client: Client) -> None:
    """Let the client's requests have other ids than those of the clients before it, also in other processes.

    A call that is resumed with input must have another id than the first (SEP-2322); the SDK's clients begin with 1.
    """
    dispatcher = client.session._dispatcher
    if isinstance(dispatcher, JSONRPCDispatcher):
        dispatcher._next_id = secrets.randbelow(_MAX_FIRST_ID)


async def _answers(session: PooledSession) -> bool:
    """Return whether the server still knows a session."""
    try:
        async with asyncio.timeout(_PING_TIMEOUT_S):
            await session.opened.client.session.send_ping()
    except TimeoutError:
        return False
    except MCPError as error:
        return error.code not in (CONNECTION_CLOSED, REQUEST_TIMEOUT) and session.exchange.failure is None
    return True
