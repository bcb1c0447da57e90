"""List the MCP tools of an agent, once at the start of a task."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import McpListing, McpServerProblem, McpServers
from agentkit.mcp_config.mcp_names import model_tool_names, split_pattern, tool_matches
from agentkit.runtime.calls.mcp_requests import no_such_tool_text, server_tools
from agentkit.runtime.loop import AgentLoop
from agentkit.specs import McpSelection, McpToolName, ToolSpec

__all__ = ["list_mcp_tools", "use_listing"]

_MAX_NOTICE_CHARS = 4_000


async def list_mcp_tools(servers: McpServers, selection: McpSelection, taken: Iterable[str]) -> McpListing:
    """Return the tools that the selection names, from all of its servers at once; a server that fails is a problem.

    ``taken`` are the names of the agent's other tools.
    """
    names = list(dict.fromkeys(split_pattern(pattern)[0] for pattern in selection.tools))
    results = await asyncio.gather(*(_list_server(servers, name, selection.tools) for name in names))
    found = [tool for tools, _ in results for tool in tools]
    problems = [problem for _, found_problems in results for problem in found_problems]
    model_names = model_tool_names(((tool.mcp.server, tool.mcp.name) for tool in found if tool.mcp), taken)
    renamed = (
        tool.model_copy(update={"name": model_names[tool.mcp.server, tool.mcp.name]}) for tool in found if tool.mcp
    )
    return McpListing(tools=tuple(renamed), problems=tuple(problems))


async def _list_server(
    servers: McpServers, server: str, patterns: Sequence[str]
) -> tuple[Sequence[ToolSpec], Sequence[McpServerProblem]]:
    """Return the tools of a server that the patterns match, and the problems with it."""
    try:
        tools = await server_tools(servers, server)
    except McpServerUnavailable as error:
        return [], [McpServerProblem(server=server, kind=error.kind, message=str(error))]
    own = [pattern for pattern in patterns if split_pattern(pattern)[0] == server]
    matched = [tool for tool in tools if any(tool_matches(pattern, _name(tool)) for pattern in own)]
    return matched, [
        _no_such_tool(server, pattern, tools)
        for pattern in own
        if not any(tool_matches(pattern, _name(tool)) for tool in tools)
    ]


def _name(tool: ToolSpec) -> McpToolName:
    return tool.mcp or McpToolName(server="", name="")


def _no_such_tool(server: str, pattern: str, tools: Sequence[ToolSpec]) -> McpServerProblem:
    text = no_such_tool_text(server, split_pattern(pattern)[1], tools)
    return McpServerProblem(server=server, kind="no_such_tool", message=text)


def use_listing(loop: AgentLoop, listing: McpListing, selection: McpSelection) -> None:
    """Give the listed tools to the loop's agent; problems are a message to the model.

    Raises:
        McpServerUnavailable: there is a problem with a server that the agent requires.
    """
    for problem in listing.problems:
        if problem.server in (selection.required or ()):
            raise McpServerUnavailable(problem.message, server=problem.server, kind=problem.kind)
    loop.add_tools(listing.tools)
    if listing.problems:
        loop.append_notice(_problems_notice(listing))


def _problems_notice(listing: McpListing) -> str:
    problems = "\n".join(f"- {problem.message}" for problem in listing.problems)
    text = f"Some tools are not available in this task:\n{problems}"
    return f"{text[:_MAX_NOTICE_CHARS]}\nGo on without them, and say what you could not do for lack of them."
