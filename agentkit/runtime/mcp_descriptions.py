"""Look up the MCP tools that a model names in calls of ``mcp_call``, and check the arguments of those calls."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import McpDescription, McpServers, McpToolCall, OutputChecker
from agentkit.mcp_config.mcp_names import MCP_SEARCH, model_tool_names
from agentkit.runtime.argument_check import arguments_refusal
from agentkit.runtime.calls.mcp_requests import no_such_tool_text, server_tools
from agentkit.specs import McpToolName, ToolSpec

__all__ = ["describe_mcp_tools"]

_Found = Mapping[McpToolName, ToolSpec]


async def describe_mcp_tools(
    servers: McpServers, checker: OutputChecker, calls: Sequence[McpToolCall], taken: Collection[str]
) -> McpDescription:
    """Return the tools of the calls, each server's listed once and all at the same time, and the calls to refuse.

    ``taken`` are the names of the agent's other tools. A server that fails is a refusal of its calls.
    """
    names = list(dict.fromkeys(call.tool.server for call in calls))
    listed = dict(zip(names, await asyncio.gather(*(_listed(servers, name) for name in names)), strict=True))
    wanted = dict.fromkeys(call.tool for call in calls)
    available = {tool.mcp: tool for tools in listed.values() if not isinstance(tools, str) for tool in tools}
    model_names = model_tool_names(((name.server, name.name) for name in wanted if name in available), taken)
    found = {
        name: available[name].model_copy(update={"name": model_names[name.server, name.name]})
        for name in wanted
        if name in available
    }
    refusals = await asyncio.gather(*(_refusal(checker, call, found, listed[call.tool.server]) for call in calls))
    return McpDescription(
        tools=tuple(found.values()),
        refusals={index: refusal for index, refusal in enumerate(refusals) if refusal is not None},
    )


async def _listed(servers: McpServers, server: str) -> Sequence[ToolSpec] | str:
    """Return the tools of a server, or why it can't be used."""
    try:
        return await server_tools(servers, server)
    except McpServerUnavailable as error:
        return str(error)


async def _refusal(
    checker: OutputChecker, call: McpToolCall, found: _Found, listed: Sequence[ToolSpec] | str
) -> str | None:
    if (tool := found.get(call.tool)) is not None:
        return await arguments_refusal(checker, tool, call.arguments)
    if isinstance(listed, str):
        return f"Nothing was called. {listed}"
    text = no_such_tool_text(call.tool.server, call.tool.name, listed)
    return f"Nothing was called. {text} {MCP_SEARCH} finds tools."
