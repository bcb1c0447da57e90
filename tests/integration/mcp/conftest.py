"""MCP servers over stdio, for tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from agentkit.interfaces import McpServers, NoSecrets, Secrets
from agentkit.mcp.server_builder import build_mcp_servers
from agentkit.mcp_config.mcp_settings import McpServerSettings

StartServers = Callable[..., Awaitable[McpServers]]


@pytest.fixture
async def start_servers(tmp_path: Path) -> AsyncIterator[StartServers]:
    """Return a function that makes ``McpServers`` from settings by name; they are ended after the test."""
    async with AsyncExitStack() as stack:

        async def start(*, secrets: Secrets | None = None, **servers: McpServerSettings) -> McpServers:
            return await stack.enter_async_context(
                build_mcp_servers(
                    servers,
                    app_dir=tmp_path,
                    log_dir=tmp_path / "logs",
                    secrets=secrets or NoSecrets(),
                    environment={"PATH": os.defpath, "OTHER": "not for servers"},
                )
            )

        yield start
