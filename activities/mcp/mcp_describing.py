"""Describe the MCP tools that a model calls by ``mcp_call``: an activity, whose result a task's history keeps."""

from __future__ import annotations

from temporalio import activity

from activities.heartbeat import heartbeating
from activities.payload_types import DESCRIBE_MCP_TOOLS_ACTIVITY, McpDescribeCall
from agentkit.interfaces import McpDescription, McpServers, OutputChecker
from agentkit.runtime.mcp_descriptions import describe_mcp_tools

__all__ = ["McpDescribingActivity"]


class McpDescribingActivity:
    """Describes tools of the MCP servers of a worker."""

    def __init__(self, servers: McpServers, checker: OutputChecker) -> None:
        self._servers = servers
        self._checker = checker

    @activity.defn(name=DESCRIBE_MCP_TOOLS_ACTIVITY)
    async def describe_mcp_tools(self, call: McpDescribeCall) -> McpDescription:
        """Return the tools, and which calls can't be made. It never fails because of a server."""
        async with heartbeating():
            return await describe_mcp_tools(self._servers, self._checker, call.calls, call.taken)
