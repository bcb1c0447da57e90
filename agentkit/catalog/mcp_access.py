"""Which MCP tools an agent may have: checked against ``mcp.json``, without a connection to any server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agentkit.catalog.mcp_file import MCP_FILE, McpFile
from agentkit.mcp_config.mcp_names import MCP_CALL, MCP_DESCRIBE, MCP_PREFIX, MCP_SEARCH, split_pattern
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.specs import AgentDefinition, McpSelection
from agentkit.validation.validation_messages import ValidationIssue, did_you_mean

__all__ = ["MCP_PROXY", "PROXY_TOOLS", "McpAccess", "mcp_hint"]

MCP_PROXY = "mcp_proxy"
"""Stands for ``PROXY_TOOLS`` among the tools of an agent."""
PROXY_TOOLS = (MCP_SEARCH, MCP_DESCRIBE, MCP_CALL)
"""The tools that find and call the tools of all servers."""

_WILDCARDS = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class McpAccess:
    """The MCP tools that an agent names, and the servers that there are."""

    definition: AgentDefinition
    file: McpFile

    @property
    def patterns(self) -> Sequence[str]:
        """``SERVER/PATTERN`` for each pattern and server that can be used."""
        listed = (split_pattern(name) for name in self.definition.tools if name.startswith(MCP_PREFIX))
        found = (f"{server}/{tools}" for pattern, tools in listed for server in self._matching(pattern))
        return list(dict.fromkeys(found))

    @property
    def has_proxy(self) -> bool:
        """Whether the agent can call any tool of any server."""
        return MCP_PROXY in self.definition.tools

    def selection(self) -> McpSelection | None:
        """Return what a task lists at its start; None if the agent names no MCP tools."""
        if not (patterns := self.patterns):
            return None
        named, required = self._named_servers(), self.definition.mcp.required
        servers = named if required is True else list(required or ())
        return McpSelection(tools=tuple(patterns), required=tuple(servers) or None)

    def issues(self) -> Iterator[ValidationIssue]:
        """Yield what is wrong with the agent's MCP tools and its key ``mcp``."""
        for index, name in enumerate(self.definition.tools):
            if name.startswith(MCP_PREFIX) and (problem := self._pattern_problem(name)) is not None:
                yield ValidationIssue(("tools", index), problem)
        required = self.definition.mcp.required
        for index, server in enumerate(required if isinstance(required, tuple) else ()):
            if (problem := self._required_problem(server)) is not None:
                yield ValidationIssue(("mcp", "required", index), problem)
        if required is True and not any(name.startswith(MCP_PREFIX) for name in self.definition.tools):
            yield ValidationIssue(("mcp", "required"), "tools names no MCP server, such as mcp:SERVER/*")

    def rule_problem(self, pattern: str) -> str | None:
        """Return why a policy's rule for ``mcp:SERVER/PATTERN`` can match no call; None if it may match one."""
        server, tools = split_pattern(pattern)
        if _WILDCARDS.search(server):
            return None
        if (problem := self._server_problem(server)) is not None:
            return problem
        if self.has_proxy:
            return None
        used = [own for name, own in map(split_pattern, self._named_patterns()) if fnmatchcase(server, name)]
        if not used:
            return (
                f"this agent has no tool of the MCP server {server!r}: tools has neither mcp:{server}/* nor {MCP_PROXY}"
            )
        if not _WILDCARDS.search(tools) and not any(fnmatchcase(tools, own) for own in used):
            return f"this agent has no tool {pattern!r}.{did_you_mean(pattern, self._named_patterns())}"
        return None

    def may_match(self, pattern: str) -> bool:
        """Return whether a policy's pattern may match a tool of a server, by either of its names."""
        start = _WILDCARDS.split(pattern, maxsplit=1)[0]
        servers = list(self.file.servers) if self.has_proxy else self._named_servers()
        beginnings = [name for server in servers for name in (f"{MCP_PREFIX}{server}/", f"{_plain(server)}__")]
        if start == pattern:
            return any(pattern.startswith(beginning) for beginning in beginnings)
        return any(start.startswith(beginning) or beginning.startswith(start) for beginning in beginnings)

    def _named_patterns(self) -> Sequence[str]:
        return [name for name in self.definition.tools if name.startswith(MCP_PREFIX)]

    def _named_servers(self) -> Sequence[str]:
        return list(dict.fromkeys(split_pattern(pattern)[0] for pattern in self.patterns))

    def _matching(self, pattern: str) -> Iterator[str]:
        for name, settings in self.file.servers.items():
            if fnmatchcase(name, pattern) and not settings.disabled:
                yield name

    def _pattern_problem(self, pattern: str) -> str | None:
        server, tools = split_pattern(pattern)
        if not server or not tools:
            return f"expected mcp:SERVER/PATTERN, such as mcp:github/* or mcp:time/convert, got {pattern!r}"
        if _WILDCARDS.search(server):
            if any(fnmatchcase(name, server) for name in self.file.servers):
                return None
            return f"no MCP server matches {server!r}. {self._servers()}"
        if (problem := self._server_problem(server)) is not None:
            return problem
        return None if _WILDCARDS.search(tools) else _offer_problem(server, tools, self.file.servers[server])

    def _server_problem(self, server: str) -> str | None:
        if server in self.file.servers:
            return None
        if server in self.file.broken:
            return f"the entry of the MCP server {server!r} in {MCP_FILE} is wrong"
        hint = did_you_mean(server, self.file.servers)
        return f"there is no MCP server {server!r} in {MCP_FILE}.{hint} {self._servers()}"

    def _required_problem(self, server: str) -> str | None:
        if (problem := self._server_problem(server)) is not None:
            return problem
        if self.file.servers[server].disabled:
            return f"the MCP server {server!r} is disabled in {MCP_FILE}"
        if server not in self._named_servers():
            return f"tools names no tool of the MCP server {server!r}. Add mcp:{server}/* to tools"
        return None

    def _servers(self) -> str:
        return f"Servers: {', '.join(self.file.servers) or 'none'}"


def _plain(server: str) -> str:
    """Return a server's part of the names that models see."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", server)


def _offer_problem(server: str, tool: str, settings: McpServerSettings) -> str | None:
    """Return why the settings of a server don't offer a tool; None if they do."""
    offered = settings.opspawn.tools
    if any(fnmatchcase(tool, pattern) for pattern in offered.allow):
        if not any(fnmatchcase(tool, pattern) for pattern in offered.deny):
            return None
        key = "deny"
    else:
        key = "allow"
    return f"{MCP_FILE} doesn't offer the tool {tool!r}: see mcpServers.{server}.opspawn.tools.{key}"


def mcp_hint(name: str, file: McpFile) -> str:
    """Return a hint for the name of a tool that there isn't, if it may mean the tool of a server; else ``""``."""
    for separator in ("/", "__"):
        server, found, tool = name.partition(separator)
        if found and tool and server in file.servers:
            return f" Did you mean '{MCP_PREFIX}{server}/{tool}'?"
    if name in file.servers:
        return f" Did you mean '{MCP_PREFIX}{name}/*'?"
    return f" Did you mean {MCP_PROXY!r}?" if name in PROXY_TOOLS else ""
