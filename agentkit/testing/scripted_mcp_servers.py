"""``McpServers`` in memory: servers whose tools are functions of the test."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter

from pydantic import JsonValue

from agentkit.errors import McpServerUnavailable, ToolError, ToolNotFound
from agentkit.interfaces import (
    McpPrompt,
    McpPromptArgument,
    McpResource,
    Tool,
    ToolContext,
    ToolValue,
    unknown_server,
)
from agentkit.mcp_config.mcp_names import model_tool_names
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.messages import InputPart, TextPart
from agentkit.policy_rules import Effect
from agentkit.specs import McpToolName, ToolSpec

__all__ = ["ScriptedMcpServer", "ScriptedMcpServers", "ScriptedMcpTool"]

_Arguments = Mapping[str, JsonValue]


@dataclass
class ScriptedMcpTool:
    """A tool of a scripted server."""

    call: Callable[[_Arguments, ToolContext], ToolValue | Awaitable[ToolValue]]
    """Returns the result, or raises an error; it may return ``ToolOutput(input_required=...)``."""
    effect: Effect = "irreversible"
    description: str = ""
    parameters: Mapping[str, JsonValue] = field(default_factory=lambda: {"type": "object"})
    timeout: float = 60.0


@dataclass
class ScriptedMcpServer:
    """A scripted server; its parts may be changed while it is used."""

    tools: dict[str, ScriptedMcpTool] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)
    """Texts by URI."""
    prompts: dict[str, str] = field(default_factory=dict)
    """Texts by name, with ``{argument}`` in them."""
    problem: McpServerUnavailable | None = None
    """Raised by everything that needs the server."""
    settings: McpServerSettings = field(default_factory=lambda: McpServerSettings(command="scripted"))
    list_count: int = 0
    """How often its tools were listed."""


class ScriptedMcpServers:
    """Servers in memory, by name."""

    def __init__(self, servers: Mapping[str, ScriptedMcpServer]) -> None:
        self.servers = dict(servers)

    @property
    def settings(self) -> Mapping[str, McpServerSettings]:
        """The settings of the servers."""
        return {name: server.settings for name, server in self.servers.items()}

    async def list_tools(self, server: str) -> Sequence[ToolSpec]:
        """Return the specs of the server's tools."""
        scripted = self._available(server)
        scripted.list_count += 1
        names = model_tool_names((server, tool) for tool in scripted.tools)
        return [_spec(server, tool, names[server, tool], scripted.tools[tool]) for tool in scripted.tools]

    def tool(self, server: str, name: str, *, effect: Effect | None = None) -> Tool:
        """Return a tool; its calls look it up anew."""
        if server not in self.servers:
            raise ToolNotFound(str(unknown_server(server, self.servers)))
        return _Tool(self, server, name, effect or "irreversible")

    async def list_resources(self, server: str) -> Sequence[McpResource]:
        """Return the server's resources."""
        return [McpResource(uri=uri, name=uri) for uri in self._available(server).resources]

    async def read_resource(self, server: str, uri: str) -> Sequence[InputPart]:
        """Return the text of a resource."""
        resources = self._available(server).resources
        if uri not in resources:
            raise ToolError(f"MCP server {server} has no resource {uri!r}.")
        return [TextPart(text=resources[uri])]

    async def list_prompts(self, server: str) -> Sequence[McpPrompt]:
        """Return the server's prompts."""
        return [
            McpPrompt(name=name, arguments=_arguments(text)) for name, text in self._available(server).prompts.items()
        ]

    async def get_prompt(self, server: str, name: str, arguments: Mapping[str, str]) -> Sequence[InputPart]:
        """Return the text of a prompt."""
        prompts = self._available(server).prompts
        if name not in prompts:
            raise ToolError(f"MCP server {server} has no prompt {name!r}.")
        try:
            return [TextPart(text=prompts[name].format_map(dict(arguments)))]
        except KeyError as error:
            raise ToolError(f"Prompt {server}/{name} needs the argument {error.args[0]!r}.") from None

    def change_tools(self, server: str, tools: Mapping[str, ScriptedMcpTool]) -> None:
        """Replace the tools of a server."""
        self.servers[server].tools = dict(tools)

    def _available(self, server: str) -> ScriptedMcpServer:
        scripted = self.servers.get(server)
        if scripted is None:
            raise unknown_server(server, self.servers)
        if scripted.problem is not None:
            raise scripted.problem
        return scripted


@dataclass(frozen=True)
class _Tool:
    servers: ScriptedMcpServers
    server: str
    name: str
    effect: Effect

    @property
    def spec(self) -> ToolSpec:
        tool = self.servers.servers[self.server].tools.get(self.name)
        name = model_tool_names([(self.server, self.name)])[self.server, self.name]
        spec = _spec(self.server, self.name, name, tool or ScriptedMcpTool(lambda *_: None))
        return spec.model_copy(update={"effect": self.effect})

    async def call(self, arguments: _Arguments, context: ToolContext) -> ToolValue:
        tool = self.servers.servers[self.server].tools.get(self.name)
        if tool is None:
            raise ToolError(f"MCP server {self.server} has no tool {self.name!r}.")
        result = tool.call(arguments, context)
        return await result if inspect.isawaitable(result) else result


def _arguments(text: str) -> tuple[McpPromptArgument, ...]:
    names = dict.fromkeys(name for _, name, _, _ in Formatter().parse(text) if name)
    return tuple(McpPromptArgument(name=name, required=True) for name in names)


def _spec(server: str, name: str, model_name: str, tool: ScriptedMcpTool) -> ToolSpec:
    return ToolSpec(
        name=model_name,
        description=tool.description,
        parameters=dict(tool.parameters),
        effect=tool.effect,
        timeout=tool.timeout,
        mcp=McpToolName(server=server, name=name),
    )
