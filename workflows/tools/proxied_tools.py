"""Describe MCP tools that a model calls by ``mcp_call``, once for each task and tool, by an activity."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.payload_types import DESCRIBE_MCP_TOOLS_ACTIVITY, McpDescribeCall
    from activities.retry_policies import LIST_MCP_TOOLS_POLICY
    from agentkit.interfaces import McpDescription, McpToolCall
    from workflows.listing.progress_details import shorten

__all__ = ["run_mcp_description"]


async def run_mcp_description(calls: Sequence[McpToolCall], taken: Collection[str]) -> McpDescription:
    """Run the activity; where it fails, all calls are refused.

    Raises:
        ActivityError: the task was cancelled, or the step interrupted.
    """
    policy = LIST_MCP_TOOLS_POLICY
    paths = dict.fromkeys(call.tool.path for call in calls)
    try:
        description: McpDescription = await workflow.execute_activity(
            DESCRIBE_MCP_TOOLS_ACTIVITY,
            McpDescribeCall(calls=tuple(calls), taken=tuple(taken)),
            result_type=McpDescription,
            start_to_close_timeout=policy.start_to_close,
            heartbeat_timeout=policy.heartbeat,
            retry_policy=policy.retry,
            summary=shorten(f"Describe MCP tools: {', '.join(paths)}"),
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        text = f"Nothing was called: the tool could not be looked up: {error.cause}"
        return McpDescription(refusals=dict.fromkeys(range(len(calls)), text))
    return description
