"""MCP servers over real HTTP, for tests: they can be restarted, cut off, and told to answer wrongly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.polling import eventually
from tests.reserved_ports import reserve_port

__all__ = ["McpHttpServer", "SeenRequest", "calculator", "serve_mcp"]

_STOP_TIMEOUT_S = 20


@dataclass(frozen=True)
class SeenRequest:
    """A request that came."""

    http_method: str
    method: str | None
    """Of the JSON-RPC message."""
    headers: dict[str, str]


@dataclass
class McpHttpServer:
    """A server on a port of its own, reached through a relay that can cut connections off."""

    make_app: Callable[[], ASGIApp]
    path: str = "/mcp"
    seen: list[SeenRequest] = field(default_factory=list)
    answers: dict[str, Response] = field(default_factory=dict)
    """Instead of the server's: by JSON-RPC method; ``*`` is any request."""
    silent: bool = False
    """Whether it never answers."""
    port: int = field(default_factory=reserve_port)
    _relay_port: int = field(default_factory=reserve_port)
    _relay: asyncio.Server | None = None
    _http: uvicorn.Server | None = None
    _serving: asyncio.Task[None] | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Of the relay."""
        return f"http://127.0.0.1:{self._relay_port}{self.path}"

    def methods(self) -> list[str]:
        """Return the JSON-RPC methods of the requests that came."""
        return [seen.method for seen in self.seen if seen.method]

    async def start(self) -> None:
        """Start the server, with no memory of the one before."""
        self._relay = await asyncio.start_server(self._pass_on, "127.0.0.1", self._relay_port)
        config = uvicorn.Config(
            self._observed(self.make_app()),
            port=self.port,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=0,
        )
        self._http = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._http.serve())
        http = self._http
        await eventually(lambda: http.started)

    async def stop(self) -> None:
        """End the server, and cut its connections off; the port refuses new ones."""
        if self._http is None or self._serving is None:
            return
        if self._relay is not None:
            self._relay.close()
        self._http.should_exit = True
        self.cut_off()
        await asyncio.wait_for(self._serving, _STOP_TIMEOUT_S)

    async def restart(self) -> None:
        """Stop and start the server."""
        await self.stop()
        await self.start()

    def open_connections(self) -> Set[object]:
        """Return the connections of clients."""
        return set(self._open)

    def cut_off(self, spare: Set[object] = frozenset()) -> None:
        """Abort the connections of clients."""
        for writer in self._open - spare:
            writer.transport.abort()

    async def until_closed(self) -> None:
        """Wait until clients have closed all connections that serve a stream, or ended all sessions."""
        await eventually(lambda: not self._open or any(seen.http_method == "DELETE" for seen in self.seen))

    def refuse(self, method: str, *, status: int) -> None:
        """Answer requests of a JSON-RPC method, or ``*`` for all, with a status and no body."""
        self.answers[method] = Response(status_code=status)

    def redirect_to(self, url: str) -> None:
        """Send all requests elsewhere."""
        self.answers["*"] = RedirectResponse(url, status_code=307)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on the bytes of one connection, both ways."""
        self._open.add(writer)
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            self._open.discard(writer)
            writer.transport.abort()
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, upstream_writer))
                tasks.create_task(_copy(upstream_reader, writer))
        finally:
            self._open.discard(writer)
            upstream_writer.transport.abort()
            writer.transport.abort()

    def _observed(self, app: ASGIApp) -> ASGIApp:
        async def observe(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            body = await _body(receive) if scope["method"] == "POST" else b""
            method = None
            with suppress(ValueError):
                method = json.loads(body).get("method")
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.seen.append(SeenRequest(scope["method"], method, headers))
            if self.silent:
                await asyncio.Event().wait()
            answer = self.answers.get(method or "") or self.answers.get("*")
            if answer is not None:
                await answer(scope, receive, send)
                return
            await app(scope, _replayed(body, receive) if body else receive, send)

        return observe


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    is_read = False

    async def replay() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


@asynccontextmanager
async def serve_mcp(make_app: Callable[[], ASGIApp], *, path: str = "/mcp") -> AsyncIterator[McpHttpServer]:
    """Run a server until the block ends."""
    server = McpHttpServer(make_app, path)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


class _Choice(BaseModel):
    color: str


def calculator(running: asyncio.Event | None = None, calls: list[str] | None = None) -> MCPServer:
    """Return a server with tools that add, wait for ever, return much text, and ask a person."""
    server = MCPServer("calculator", log_level="CRITICAL")
    recorded = calls if calls is not None else []

    @server.tool()
    async def add(a: int, b: int) -> int:
        recorded.append("add")
        return a + b

    @server.tool()
    async def wait() -> str:
        recorded.append("wait")
        if running is not None:
            running.set()
        await asyncio.Event().wait()
        return "never"

    @server.tool()
    async def region_of(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
        return region

    @server.tool(structured_output=False)
    async def much_text(chars: int) -> str:
        return "x" * chars

    @server.tool(structured_output=False)
    async def ask_color(ctx: Context) -> str:
        answer = await ctx.elicit("Which color?", _Choice)
        return f"{answer.action}: {answer.data.color if answer.action == 'accept' else '-'}"

    return server
