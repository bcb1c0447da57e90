"""A calculator that demands access tokens, and workers that call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from agentkit.interfaces import McpTokens
from agentkit.mcp.http.http_sessions import HttpSessions
from agentkit.mcp.http.oauth import server_auth
from agentkit.mcp.http.oauth_login import login
from agentkit.mcp.http.token_store import FileTokenStore
from agentkit.mcp_config.mcp_settings import McpServerSettings
from tests.mcp_authorization_server import AuthorizationServer
from tests.mcp_http_servers import McpHttpServer, serve_mcp

__all__ = ["Protected", "add", "protected"]


@dataclass
class Protected:
    """A server that demands tokens, as several workers of an app see it."""

    issuing: AuthorizationServer
    server: McpHttpServer
    store: FileTokenStore
    opened: list[str] = field(default_factory=list)
    """The URLs that a person was shown."""

    def settings(self, **oauth: object) -> McpServerSettings:
        return McpServerSettings.model_validate({"url": self.server.url, "opspawn": {"oauth": oauth}})

    async def browse(self, url: str) -> None:
        """Do what a person's browser does."""
        self.opened.append(url)
        async with httpx2.AsyncClient(follow_redirects=True) as browser:
            assert (await browser.get(url)).status_code == 200

    async def log_in(self, timeout_s: float = 30, **oauth: object) -> None:
        await login("calc", self.settings(**oauth), self.store, open_url=self.browse, timeout_s=timeout_s)

    async def add(self, **oauth: object) -> int:
        """Call a tool in a worker that has just started."""
        settings = self.settings(**oauth)
        sessions = HttpSessions("calc", settings, auth=server_auth("calc", settings, self.store))
        try:
            return await add(sessions)
        finally:
            await sessions.aclose()

    async def tokens(self) -> McpTokens:
        tokens = await self.store.read("calc")
        assert tokens is not None
        return tokens


async def add(sessions: HttpSessions) -> int:
    async with asyncio.timeout(30), sessions.session() as client:
        result = await client.session.call_tool("add", {"a": 1, "b": 2})
    assert result.structured_content is not None
    return int(result.structured_content["result"])


@asynccontextmanager
async def protected(tmp_path: Path) -> AsyncIterator[Protected]:
    issuing = AuthorizationServer()
    async with serve_mcp(issuing.make_app) as server:
        issuing.origin = server.url.removesuffix("/mcp")
        yield Protected(issuing, server, FileTokenStore(tmp_path / "mcp"))
