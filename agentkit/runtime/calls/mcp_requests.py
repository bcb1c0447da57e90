"""Requests to MCP servers, each within the time that the server's settings give it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from agentkit.errors import McpServerUnavailable, OpspawnError
from agentkit.interfaces import McpServers, unknown_server
from agentkit.specs import ToolSpec
from agentkit.validation.validation_messages import did_you_mean

__all__ = ["no_such_tool_text", "request_server", "server_tools"]

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_ERROR_CHARS = 500
_MAX_NAMES = 20
_MAX_NAME_CHARS = 200
_MAX_NAMES_CHARS = 4_000


async def request_server(
    servers: McpServers, server: str, name: str, request: Callable[[str], Awaitable[T]], max_s: float = math.inf
) -> T:
    """Return the result of a request to a server; ``name`` is what it asks for, ``max_s`` the most it may take.

    Raises:
        McpServerUnavailable: there is no such server, it can't be used, or it is too slow; or the request failed in a
            way that nobody has foreseen, which is logged, so that the other servers can be used.
        ToolError: the server refuses the request.
    """
    settings = servers.settings.get(server)
    if settings is None:
        raise unknown_server(server, servers.settings)
    limit_s = min(max_s, settings.opspawn.connect_timeout + settings.opspawn.timeout)
    deadline = asyncio.timeout(limit_s)
    try:
        async with deadline:
            return await request(server)
    except TimeoutError as error:
        reason = f"not received within {limit_s:g} s" if deadline.expired() else f"not received: {error}"
        text = f"MCP server {server}: its {name} were {reason}."
        raise McpServerUnavailable(text, server=server, kind="timed_out") from None
    except OpspawnError:
        raise
    except Exception as error:
        _LOGGER.exception("MCP server %s: its %s could not be read", server, name)
        text = f"MCP server {server}: its {name} could not be read: {str(error)[:_MAX_ERROR_CHARS]!r}."
        raise McpServerUnavailable(text, server=server, kind="failed") from error


async def server_tools(servers: McpServers, server: str, max_s: float = math.inf) -> Sequence[ToolSpec]:
    """Return the tools of a server, each with the server's rule for sampling.

    Raises:
        McpServerUnavailable: as ``request_server`` raises it.
    """
    settings = servers.settings.get(server)  # of now: they may change meanwhile
    tools = await request_server(servers, server, "tools", servers.list_tools, max_s)
    sampling = "deny" if settings is None else settings.opspawn.sampling
    rule = None if sampling == "deny" else sampling
    return [tool.model_copy(update={"sampling": rule}) for tool in tools if tool.mcp is not None]


def no_such_tool_text(server: str, name: str, tools: Sequence[ToolSpec]) -> str:
    """Return that the server has no tool of this name, and which it has."""
    names = [tool.mcp.name for tool in tools if tool.mcp is not None]
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    listed = ", ".join(names[:_MAX_NAMES])[:_MAX_NAMES_CHARS] + more
    hint = did_you_mean(name[:_MAX_NAME_CHARS], names)
    return f"MCP server {server} has no tool {name[:_MAX_NAME_CHARS]!r}.{hint} It has: {listed or 'none'}."
