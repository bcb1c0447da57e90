"""MCP servers: connections, tools, resources and prompts. Wired only in ``worker.py`` and ``agentkit.mcp.__main__``."""

from __future__ import annotations

from agentkit.mcp.server_builder import build_mcp_servers, login_at_server, mcp_server_pool

__all__ = ["build_mcp_servers", "login_at_server", "mcp_server_pool"]
