"""A calculator behind HTTP, and sessions with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcp_types import CallToolResult
from starlette.applications import Starlette

from agentkit.mcp.http.http_sessions import HttpSessions
from agentkit.mcp.server_sessions import RequestHandlers
from agentkit.mcp_config.mcp_settings import McpServerSettings
from tests.mcp_http_servers import McpHttpServer, calculator, serve_mcp

__all__ = ["Calculator", "calculating", "http_settings"]

TIMEOUT_S = 30
_PROTOCOLS = {"modern": "2026-07-28", "modern-stream": "2026-07-28", "legacy": "legacy", "legacy-json": "2025-06-18"}


@dataclass
class Calculator:
    """A server, and sessions with it."""

    server: McpHttpServer
    sessions: HttpSessions
    running: asyncio.Event
    """Set when the tool ``wait`` runs."""
    calls: list[str]
    """The tools that ran."""

    async def add(self, a: int, b: int) -> int:
        result = await self.call("add", a=a, b=b)
        assert result.structured_content is not None
        return int(result.structured_content["result"])

    async def call(self, name: str, handlers: RequestHandlers | None = None, **arguments: object) -> CallToolResult:
        async with asyncio.timeout(TIMEOUT_S), self.sessions.session(handlers) as client:
            return await client.session.call_tool(name, arguments)


def http_settings(url: str, kind: str = "auto", **options: object) -> McpServerSettings:
    """Return settings of a kind: auto, modern, modern-stream, legacy, legacy-json or sse."""
    return McpServerSettings.model_validate(
        {
            "url": url,
            "type": "sse" if kind == "sse" else "http",
            "opspawn": {"protocol": _PROTOCOLS.get(kind, "auto"), **options},
        }
    )


@asynccontextmanager
async def calculating(kind: str, **options: object) -> AsyncIterator[Calculator]:
    """Run a calculator that is reached over a kind of HTTP."""
    running, calls = asyncio.Event(), list[str]()

    def app() -> Starlette:
        server = calculator(running, calls)
        if kind == "sse":
            return server.sse_app()
        return server.streamable_http_app(json_response=kind in ("auto", "modern", "legacy-json"))

    async with serve_mcp(app, path="/sse" if kind == "sse" else "/mcp") as server:
        sessions = HttpSessions("calc", http_settings(server.url, kind, **options))
        yield Calculator(server, sessions, running, calls)
        await sessions.aclose()
