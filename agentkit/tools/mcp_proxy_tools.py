"""The tools of ``mcp_proxy``: find the tools of all MCP servers, read the schema of one, and call it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, JsonValue

from agentkit.errors import McpServerUnavailable, ToolError
from agentkit.interfaces import McpServers, Tool
from agentkit.mcp_config.mcp_names import MCP_CALL, MCP_DESCRIBE, MCP_SEARCH
from agentkit.runtime.calls.mcp_requests import no_such_tool_text, server_tools
from agentkit.specs import McpToolName, ToolSpec
from agentkit.tools.function_tool import tool
from agentkit.tools.tool_ranking import ranked_tools

__all__ = ["mcp_proxy_tools"]

_TIMEOUT = "120s"
_MAX_SERVER_S = 100.0
"""Seconds for one server, so that the others' tools are found although it hangs."""
_MAX_DESCRIPTION_CHARS = 300
_MAX_NOTE_CHARS = 1_000

_Text = Annotated[str, Field(max_length=500)]
_Limit = Annotated[int, Field(ge=1, le=50)]


def mcp_proxy_tools(servers: McpServers | None = None) -> Sequence[Tool]:
    """Return ``mcp_search``, ``mcp_describe`` and ``mcp_call``. Without ``servers`` they have specs, but calls fail."""
    return (_search_tool(servers), _describe_tool(servers), _call_tool())


def _search_tool(servers: McpServers | None) -> Tool:
    @tool(name=MCP_SEARCH, effect="pure", timeout=_TIMEOUT)
    async def mcp_search(query: _Text, server: _Text | None = None, limit: _Limit = 10) -> dict[str, Any]:
        """Find tools of the connected MCP servers by what they do. Read a tool's schema with mcp_describe before you
        call it with mcp_call.

        Args:
            query: A few words, such as "create issue"; empty to list tools.
            server: To search only this server.
            limit: How many tools to return.
        """
        connected = _connected(servers)
        names = sorted(connected.settings) if server is None else [server]
        listed = await asyncio.gather(*(_listed(connected, name) for name in names))
        tools = [each for found in listed if not isinstance(found, str) for each in found]
        ranked = await asyncio.to_thread(ranked_tools, query, tools)
        counts = {name: len(found) for name, found in zip(names, listed, strict=True) if not isinstance(found, str)}
        notes = [found[:_MAX_NOTE_CHARS] for found in listed if isinstance(found, str)]
        if not ranked and tools:
            notes.append("No tool has any of these words. Try others, or an empty query to list tools.")
        if len(ranked) > limit:
            notes.append(f"{len(ranked) - limit} more tools match less well.")
        result: dict[str, Any] = {"tools": [_summary(each) for each in ranked[:limit]], "tools_by_server": counts}
        return {**result, "notes": notes} if notes else result

    return mcp_search


def _describe_tool(servers: McpServers | None) -> Tool:
    @tool(name=MCP_DESCRIBE, effect="pure", timeout=_TIMEOUT)
    async def mcp_describe(server: _Text, tool: _Text) -> dict[str, Any]:
        """Return what a tool of an MCP server does, and the JSON Schema of its arguments.

        Args:
            server: As mcp_search names it.
            tool: As mcp_search names it.
        """
        listed = await _listed(_connected(servers), server)
        if isinstance(listed, str):
            raise ToolError(listed)
        found = next((each for each in listed if each.mcp == McpToolName(server=server, name=tool)), None)
        if found is None:
            raise ToolError(no_such_tool_text(server, tool, listed))
        return {
            "server": server,
            "tool": tool,
            "description": found.description,
            "effect": found.effect,
            "arguments": found.parameters,
        }

    return mcp_describe


def _call_tool() -> Tool:
    """Return ``mcp_call``: a spec alone. A task's loop makes the call of the server's tool in its place."""

    @tool(name=MCP_CALL, effect="pure", timeout="10s")
    def mcp_call(server: _Text, tool: _Text, arguments: dict[str, Any] | None = None) -> str:
        """Call a tool of an MCP server. Read its schema with mcp_describe first.

        Args:
            server: As mcp_search names it.
            tool: As mcp_search names it.
            arguments: The tool's own arguments, by its schema.
        """
        raise ToolError(
            "Nothing was called: a task makes the calls of this tool, and this one didn't come through it. Go on "
            "without it, and say so."
        )

    return mcp_call


def _connected(servers: McpServers | None) -> McpServers:
    if servers is None:
        raise ToolError("There are no MCP servers in this process. A worker has them: give the task to one.")
    if not servers.settings:
        raise ToolError("No MCP server is configured here: the app's mcp.json names none. Go on without.")
    return servers


async def _listed(servers: McpServers, server: str) -> Sequence[ToolSpec] | str:
    """Return the tools of a server, or why it can't be used."""
    try:
        return await server_tools(servers, server, _MAX_SERVER_S)
    except McpServerUnavailable as error:
        return str(error)


def _summary(spec: ToolSpec) -> dict[str, JsonValue]:
    name = spec.mcp or McpToolName(server="", name=spec.name)
    text = " ".join(spec.description.split())
    short = text if len(text) <= _MAX_DESCRIPTION_CHARS else f"{text[: _MAX_DESCRIPTION_CHARS - 1]}…"
    return {"server": name.server, "tool": name.name, "description": short, "effect": spec.effect}
