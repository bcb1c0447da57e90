"""MCP servers: connections, tools, resources and prompts. Wired only in ``worker.py`` and ``agentkit.mcp.__main__``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agentkit.interfaces import Secrets
from agentkit.mcp.replaceable_servers import ClosableMcpServers, ReplaceableMcpServers
from agentkit.mcp_config.mcp_settings import McpServerSettings

__all__ = ["app_mcp_servers"]


def app_mcp_servers(
    servers: Mapping[str, McpServerSettings],
    secrets: Secrets,
    environment: Mapping[str, str],
    *,
    app_dir: Path,
    log_dir: Path,
) -> ReplaceableMcpServers:
    """Return the servers of an app; the arguments are those of ``server_builder.mcp_server_pool``."""

    def open_servers(servers: Mapping[str, McpServerSettings]) -> ClosableMcpServers:
        # Here, for it loads the SDK.
        from agentkit.mcp.server_builder import mcp_server_pool

        return mcp_server_pool(servers, secrets, environment, app_dir=app_dir, log_dir=log_dir)

    return ReplaceableMcpServers(servers, open_servers)
