"""The ``McpServers`` Protocol: what a worker asks of MCP servers, and the values that are exchanged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from pydantic import Field, JsonValue

from agentkit.errors import McpProblemKind, McpServerUnavailable, ToolNotFound
from agentkit.interfaces.tool import Tool
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.messages import InputPart
from agentkit.policy_rules import Effect
from agentkit.records import Record
from agentkit.specs import McpToolName, ToolSpec
from agentkit.validation.validation_messages import did_you_mean

__all__ = [
    "McpDescription",
    "McpListing",
    "McpPrompt",
    "McpPromptArgument",
    "McpResource",
    "McpServerProblem",
    "McpServers",
    "McpToolCall",
    "NoMcpServers",
    "unknown_server",
]


class McpServerProblem(Record):
    """A server that can't be used now."""

    server: str
    kind: McpProblemKind
    message: str
    """For people and models: the server, the phase, and the cause; of a crash, the last lines of its stderr."""


class McpListing(Record):
    """The tools of servers, as they are recorded once for a task."""

    tools: tuple[ToolSpec, ...] = ()
    """Each with ``ToolSpec.mcp``; sorted by server, in each server's order."""
    problems: tuple[McpServerProblem, ...] = ()
    """Of the servers whose tools are missing."""


class McpToolCall(Record):
    """A call of an MCP tool, as a model names it in a call of ``mcp_call``."""

    tool: McpToolName
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class McpDescription(Record):
    """What is known of the tools of some ``McpToolCall``."""

    tools: tuple[ToolSpec, ...] = ()
    """Each once, under a name that no other tool of the agent has."""
    refusals: dict[int, str] = Field(default_factory=dict)
    """By the position of the call: why it can't be made, for the model."""


class McpResource(Record):
    """A resource of a server, or a template of resources."""

    uri: str
    """Of a template, with parameters in braces (RFC 6570)."""
    name: str
    title: str | None = None
    description: str | None = None
    media_type: str | None = None
    size: int | None = None
    """In bytes."""
    is_template: bool = Field(default=False, exclude_if=lambda is_template: not is_template)


class McpPromptArgument(Record):
    """An argument of a prompt; values are text."""

    name: str
    description: str | None = None
    required: bool = False


class McpPrompt(Record):
    """A prompt of a server."""

    name: str
    title: str | None = None
    description: str | None = None
    arguments: tuple[McpPromptArgument, ...] = ()


class McpServers(Protocol):
    """The MCP servers of an app directory. One that fails never affects another.

    All methods connect first if there is no connection, within the server's ``connect_timeout``. All raise
    ``McpServerUnavailable`` where the server can't be used; its ``problem`` says why.
    """

    @property
    def settings(self) -> Mapping[str, McpServerSettings]:
        """The servers by name, without those that are disabled."""
        ...

    async def list_tools(self, server: str) -> Sequence[ToolSpec]:
        """Return the server's tools that its settings allow, with names for models, effects and ``ToolSpec.mcp``."""
        ...

    def tool(self, server: str, name: str, *, effect: Effect | None = None) -> Tool:
        """Return a tool by the server's own name, without a look at the server. Its calls are made with this effect.

        Raises:
            ToolNotFound: there is no such server, or its settings don't allow the tool.
        """
        ...

    async def list_resources(self, server: str) -> Sequence[McpResource]:
        """Return the server's resources and resource templates."""
        ...

    async def read_resource(self, server: str, uri: str) -> Sequence[InputPart]:
        """Return the contents of a resource.

        Raises:
            ToolError: the server has no such resource, or it is too large.
        """
        ...

    async def list_prompts(self, server: str) -> Sequence[McpPrompt]:
        """Return the server's prompts."""
        ...

    async def get_prompt(self, server: str, name: str, arguments: Mapping[str, str]) -> Sequence[InputPart]:
        """Return the messages of a prompt as content parts; several messages with their roles in the text.

        Raises:
            ToolError: the server has no such prompt, or refuses the arguments.
        """
        ...


class NoMcpServers:
    """``McpServers`` of a worker without ``mcp.json``."""

    @property
    def settings(self) -> Mapping[str, McpServerSettings]:
        """No settings."""
        return {}

    async def list_tools(self, server: str) -> Sequence[ToolSpec]:
        """Raise that there is no such server."""
        raise unknown_server(server, ())

    def tool(self, server: str, name: str, *, effect: Effect | None = None) -> Tool:
        """Raise that there is no such server."""
        raise ToolNotFound(str(unknown_server(server, ())))

    async def list_resources(self, server: str) -> Sequence[McpResource]:
        """Raise that there is no such server."""
        raise unknown_server(server, ())

    async def read_resource(self, server: str, uri: str) -> Sequence[InputPart]:
        """Raise that there is no such server."""
        raise unknown_server(server, ())

    async def list_prompts(self, server: str) -> Sequence[McpPrompt]:
        """Raise that there is no such server."""
        raise unknown_server(server, ())

    async def get_prompt(self, server: str, name: str, arguments: Mapping[str, str]) -> Sequence[InputPart]:
        """Raise that there is no such server."""
        raise unknown_server(server, ())


def unknown_server(server: str, known: Collection[str]) -> McpServerUnavailable:
    """Return the error of a server that ``mcp.json`` doesn't have; ``known`` are the names of those that it has."""
    names = ", ".join(sorted(known)) or "none"
    message = f"There is no MCP server {server!r} in mcp.json.{did_you_mean(server, known)} Servers: {names}."
    return McpServerUnavailable(message, server=server, kind="unknown")
