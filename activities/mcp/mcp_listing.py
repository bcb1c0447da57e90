"""List the MCP tools of an agent: an activity at the start of a task, whose result its history keeps."""

from __future__ import annotations

from temporalio import activity

from activities.heartbeat import heartbeating
from activities.payload_types import LIST_MCP_TOOLS_ACTIVITY, McpListCall
from agentkit.interfaces import McpListing, McpServers
from agentkit.runtime.mcp_tool_selection import list_mcp_tools

__all__ = ["McpListingActivity"]

_MOST_TOOLS = 128
"""What all providers take in one request; OpenAI takes no more."""


class McpListingActivity:
    """Lists tools of the MCP servers of a worker."""

    def __init__(self, servers: McpServers) -> None:
        self._servers = servers

    @activity.defn(name=LIST_MCP_TOOLS_ACTIVITY)
    async def list_mcp_tools(self, call: McpListCall) -> McpListing:
        """Return the tools, and why those of some servers are missing. It never fails because of a server."""
        async with heartbeating():
            listing = await list_mcp_tools(self._servers, call.selection, call.taken)
        count = len(call.taken) + len(listing.tools)
        if count > _MOST_TOOLS:
            activity.logger.warning(
                "The agent has %d tools. Some providers refuse requests with more than %d: name fewer in its 'tools', "
                "or use mcp_proxy",
                count,
                _MOST_TOOLS,
            )
        return listing
