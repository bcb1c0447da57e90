"""The lines of JSON between the command line and the process that talks to MCP servers for it, ``agentkit.mcp``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from agentkit.interfaces import ClientInputRequest, McpServerProblem
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.records import Record
from agentkit.specs import ToolSpec

__all__ = [
    "ClientInputAsked",
    "McpCallCommand",
    "McpCheckCommand",
    "McpCommand",
    "McpCommandFailed",
    "McpLoginCommand",
    "McpLoginDone",
    "McpLoginStarted",
    "McpProcessMessage",
    "McpProcessRequest",
    "McpProgressed",
    "McpResult",
    "McpResultFile",
    "McpServerChecked",
    "McpToolFound",
    "McpToolsCommand",
    "McpToolsFound",
    "parse_message",
]


class McpCheckCommand(Record):
    """Connect to each server, all at once."""

    type: Literal["check"] = "check"


class McpToolsCommand(Record):
    """List the tools of a server."""

    type: Literal["tools"] = "tools"
    server: str


class McpCallCommand(Record):
    """Call a tool of a server. The process sends what the tool is, and waits for a line before it calls."""

    type: Literal["call"] = "call"
    server: str
    tool: str
    arguments: dict[str, JsonValue]


class McpLoginCommand(Record):
    """Log in at a server, in a browser."""

    type: Literal["login"] = "login"
    server: str


McpCommand = McpCheckCommand | McpToolsCommand | McpCallCommand | McpLoginCommand


class McpProcessRequest(Record):
    """The first line on standard input. Others answer ``McpToolFound`` (any line) and ``ClientInputAsked``."""

    command: McpCommand = Field(discriminator="type")
    servers: dict[str, McpServerSettings]
    """By name, as ``mcp.json`` has them."""
    app_dir: str
    data_dir: str
    """Absolute paths, as ``app_dir``."""
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)
    """The values of the secrets that the settings name. They go through a pipe, and nowhere else."""


class McpServerChecked(Record):
    """Whether a server can be used."""

    type: Literal["server"] = "server"
    name: str
    tools: int | None = None
    """How many tools it offers; None: it can't be used."""
    problem: McpServerProblem | None = None


class McpToolsFound(Record):
    """The tools of a server that its settings allow."""

    type: Literal["tools"] = "tools"
    tools: tuple[ToolSpec, ...]


class McpToolFound(Record):
    """The tool that is to be called; it is called when a line has been received."""

    type: Literal["tool"] = "tool"
    tool: ToolSpec


class McpProgressed(Record):
    """How far the call is."""

    type: Literal["progress"] = "progress"
    text: str
    fraction: float | None = None


class ClientInputAsked(Record):
    """The server asks a person; the next line on standard input is the ``ClientInput``."""

    type: Literal["ask"] = "ask"
    request: ClientInputRequest


class McpResultFile(Record):
    """An image or another file of a result."""

    media_type: str
    size: int
    """In bytes."""
    name: str | None = None
    data: str
    """In base64."""


class McpResult(Record):
    """What the tool returned."""

    type: Literal["result"] = "result"
    value: JsonValue
    files: tuple[McpResultFile, ...] = ()


class McpLoginStarted(Record):
    """The address that a person has to open to log in."""

    type: Literal["login"] = "login"
    url: str


class McpLoginDone(Record):
    """The login is stored, and the server accepts it."""

    type: Literal["logged_in"] = "logged_in"


class McpCommandFailed(Record):
    """Why the command failed: the last line."""

    type: Literal["failed"] = "failed"
    kind: str
    """Of ``McpServerProblem.kind``; ``tool``: the tool reported an error; ``not_found``: there is no such tool."""
    message: str


McpProcessMessage = (
    McpServerChecked
    | McpToolsFound
    | McpToolFound
    | McpProgressed
    | ClientInputAsked
    | McpResult
    | McpLoginStarted
    | McpLoginDone
    | McpCommandFailed
)
"""A line on standard output."""

_MESSAGES: TypeAdapter[McpProcessMessage] = TypeAdapter(Annotated[McpProcessMessage, Field(discriminator="type")])


def parse_message(line: bytes) -> McpProcessMessage:
    """Return the message of a line.

    Raises:
        ValueError: it is none.
    """
    return _MESSAGES.validate_json(line)
