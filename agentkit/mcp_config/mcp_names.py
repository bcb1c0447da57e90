"""Names of MCP tools: ``SERVER__TOOL`` for models, ``mcp:SERVER/TOOL`` in agents and policies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from agentkit.specs import McpToolName

__all__ = ["MCP_CALL", "MCP_DESCRIBE", "MCP_PREFIX", "MCP_SEARCH", "model_tool_names", "split_pattern", "tool_matches"]

MCP_PREFIX = "mcp:"
"""Of the names of MCP tools in agents and policies."""

MCP_SEARCH = "mcp_search"
"""The tool that finds tools of all servers."""
MCP_DESCRIBE = "mcp_describe"
"""The tool that returns the schema of one of them."""
MCP_CALL = "mcp_call"
"""The tool whose calls are calls of another: the task's loop replaces them by those."""

_MAX_CHARS = 64
"""The longest name of a tool that all providers take."""
_HASH_CHARS = 8


def model_tool_names(tools: Iterable[tuple[str, str]], taken: Iterable[str] = ()) -> Mapping[tuple[str, str], str]:
    """Return a name for models for each (server, tool): unique, also among ``taken``, and in all providers' alphabet.

    A name that had to be changed beyond its alphabet ends in a hash, so it doesn't depend on the other tools; only of
    two tools whose names would be the same, both end in one.
    """
    plain = {tool: _plain_name(*tool) for tool in tools}
    used, reserved = list(plain.values()), set(taken)
    return {tool: name if _is_free(name, used, reserved) else _hashed(tool, name) for tool, name in plain.items()}


def _is_free(name: str, used: Sequence[str], reserved: Collection[str]) -> bool:
    return len(name) <= _MAX_CHARS and used.count(name) == 1 and name not in reserved


def _plain_name(server: str, tool: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}__{tool}")
    return name if name[:1].isalpha() else f"mcp_{name}"


def _hashed(tool: tuple[str, str], name: str) -> str:
    digest = hashlib.sha256("/".join(tool).encode(errors="surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{name[: _MAX_CHARS - _HASH_CHARS - 1]}_{digest}"


def split_pattern(pattern: str) -> tuple[str, str]:
    """Return the server and the pattern of tools of ``SERVER/PATTERN``; without a slash, all tools of the server."""
    server, slash, tools = pattern.removeprefix(MCP_PREFIX).partition("/")
    return server, tools if slash else "*"


def tool_matches(pattern: str, tool: McpToolName) -> bool:
    """Return whether the pattern ``SERVER/PATTERN`` matches a tool."""
    server, names = split_pattern(pattern)
    return server == tool.server and fnmatchcase(tool.name, names)
