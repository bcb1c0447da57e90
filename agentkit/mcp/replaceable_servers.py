"""The MCP servers of an app, whose ``mcp.json`` may change while a worker runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from agentkit.interfaces import McpPrompt, McpResource, McpServers, NoMcpServers, Tool
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.messages import InputPart
from agentkit.policy_rules import Effect
from agentkit.specs import ToolSpec

__all__ = ["ClosableMcpServers", "ReplaceableMcpServers"]


class ClosableMcpServers(McpServers, Protocol):
    """Servers with connections."""

    def replace_servers(self, servers: Mapping[str, McpServerSettings]) -> None:
        """Use these servers from now on; those whose settings are the same keep their connections."""
        ...

    async def aclose(self) -> None:
        """End all connections and processes."""
        ...


class ReplaceableMcpServers:
    """``McpServers`` that are opened with the first server: an app without any doesn't load the SDK."""

    def __init__(
        self,
        servers: Mapping[str, McpServerSettings],
        open_servers: Callable[[Mapping[str, McpServerSettings]], ClosableMcpServers],
    ) -> None:
        """``open_servers`` is called once at most."""
        self._open_servers = open_servers
        self._loop = asyncio.get_running_loop()
        self._opened: ClosableMcpServers | None = open_servers(servers) if servers else None

    @property
    def _servers(self) -> McpServers:
        return self._opened or NoMcpServers()

    @property
    def settings(self) -> Mapping[str, McpServerSettings]:
        """See ``McpServers``."""
        return self._servers.settings

    async def list_tools(self, server: str) -> Sequence[ToolSpec]:
        """See ``McpServers``."""
        return await self._servers.list_tools(server)

    def tool(self, server: str, name: str, *, effect: Effect | None = None) -> Tool:
        """See ``McpServers``."""
        return self._servers.tool(server, name, effect=effect)

    async def list_resources(self, server: str) -> Sequence[McpResource]:
        """See ``McpServers``."""
        return await self._servers.list_resources(server)

    async def read_resource(self, server: str, uri: str) -> Sequence[InputPart]:
        """See ``McpServers``."""
        return await self._servers.read_resource(server, uri)

    async def list_prompts(self, server: str) -> Sequence[McpPrompt]:
        """See ``McpServers``."""
        return await self._servers.list_prompts(server)

    async def get_prompt(self, server: str, name: str, arguments: Mapping[str, str]) -> Sequence[InputPart]:
        """See ``McpServers``."""
        return await self._servers.get_prompt(server, name, arguments)

    def replace_servers(self, servers: Mapping[str, McpServerSettings]) -> None:
        """Use these servers from now on; may be called in any thread."""
        self._loop.call_soon_threadsafe(self._replace, servers)

    def _replace(self, servers: Mapping[str, McpServerSettings]) -> None:
        if self._opened is not None:
            self._opened.replace_servers(servers)
        elif servers:
            self._opened = self._open_servers(servers)

    async def aclose(self) -> None:
        """End all connections and processes."""
        if self._opened is not None:
            await self._opened.aclose()
