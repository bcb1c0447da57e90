"""List the MCP tools of a task's agent once, before its first step; they are used to the end of the task."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.payload_types import LIST_MCP_TOOLS_ACTIVITY, McpListCall
    from activities.retry_policies import LIST_MCP_TOOLS_POLICY
    from agentkit.interfaces import McpListing, McpServerProblem
    from agentkit.mcp_config.mcp_names import split_pattern
    from agentkit.runtime.loop import AgentLoop
    from agentkit.runtime.mcp_tool_selection import use_listing
    from agentkit.specs import McpSelection

__all__ = ["list_agent_tools"]


async def list_agent_tools(loop: AgentLoop) -> None:
    """Add the agent's MCP tools to the loop; a server that can't be used is a message to the model.

    Raises:
        McpServerUnavailable: the agent requires that server.
        ActivityError: the task was cancelled.
    """
    loop.remove_mcp_tools()  # of a fork's source
    selection = loop.agent.mcp
    if selection is None:
        return
    listing = await _list(selection, tuple(tool.name for tool in loop.agent.tools))
    use_listing(loop, listing, selection)


async def _list(selection: McpSelection, taken: tuple[str, ...]) -> McpListing:
    policy = LIST_MCP_TOOLS_POLICY
    try:
        listing: McpListing = await workflow.execute_activity(
            LIST_MCP_TOOLS_ACTIVITY,
            McpListCall(selection=selection, taken=taken),
            result_type=McpListing,
            start_to_close_timeout=policy.start_to_close,
            heartbeat_timeout=policy.heartbeat,
            retry_policy=policy.retry,
            summary="List the tools of MCP servers",
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        text = f"The tools of MCP servers could not be listed: {error.cause}"
        servers = dict.fromkeys(split_pattern(pattern)[0] for pattern in selection.tools)
        return McpListing(
            problems=tuple(McpServerProblem(server=server, kind="failed", message=text) for server in servers)
        )
    return listing
