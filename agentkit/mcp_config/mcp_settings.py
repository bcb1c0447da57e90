"""Settings of MCP servers: an entry of ``mcpServers`` in ``mcp.json``, with our own keys under ``opspawn``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from agentkit.config.durations import Duration
from agentkit.policy_rules import Effect
from agentkit.records import Record

__all__ = ["McpOAuth", "McpOptions", "McpServerSettings", "McpToolFilter", "SamplingRule"]

SamplingRule = Literal["deny", "ask", "allow"]
"""Whether a server may ask the agent's model: never, after a person's approval, or always."""


class _Strict(Record):
    """A record that people write by hand: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class McpToolFilter(_Strict):
    """Which tools of a server are offered; patterns with ``*``, ``?`` and ``[ab]``. ``deny`` wins over ``allow``."""

    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()


class McpOAuth(_Strict):
    """How a worker gets access tokens for a server."""

    grant: Literal["authorization_code", "client_credentials"] = "authorization_code"
    """``authorization_code``: a person logs in once, with ``opspawn mcp login SERVER``."""
    client_id: str | None = None
    """Or the ``https`` URL of a document about the client. None: the client registers itself, where that is allowed."""
    client_secret: str | None = Field(default=None, repr=False)
    """``${NAME}``: the secret of this name."""
    scope: str | None = None
    issuer: str | None = None
    """The authorization server to which ``client_secret`` and logins go; None: the one that the MCP server names."""


class McpOptions(_Strict):
    """The keys under ``opspawn`` of a server."""

    protocol: Annotated[str, StringConstraints(pattern=r"^(auto|legacy|\d{4}-\d\d-\d\d)$")] = "auto"
    """``auto``: the newest that the server has; ``legacy``: 2025-11-25 or older, with a session; or a version."""
    connect_timeout: Duration = 30.0
    """Seconds that a start of the server and the first exchange with it may take."""
    timeout: Duration = 60.0
    """Seconds that one request may take, without waits for people and models."""
    elicitation_wait: Duration = 600.0
    """Seconds that a call over an older protocol waits for a person or a model: it can't be resumed later."""
    idle_timeout: Duration = 300.0
    """Seconds without a request after which the connection, and a process that we started, is ended."""
    trust_annotations: bool = True
    """Whether the effects of tools are taken from the server's annotations; else all are irreversible."""
    effects: dict[str, Effect] = Field(default_factory=dict)
    """Effects by patterns of tool names; the first that matches decides, before annotations."""
    sampling: SamplingRule = "deny"
    tools: McpToolFilter = McpToolFilter()
    max_result_bytes: int = Field(default=10_000_000, ge=1_000, le=100_000_000)
    """The longest result that is read; of a longer one the model gets the start, and a note."""
    env: tuple[str, ...] = ()
    """Names of the worker's environment variables that the server's process gets, besides ``PATH`` and the like."""
    oauth: McpOAuth | None = None


class McpServerSettings(_Strict):
    """One server: a command that a worker runs and talks to over stdio, or a URL.

    ``args``, ``env``, ``url``, ``headers`` and ``oauth.client_secret`` may have ``${NAME}``: the named secret, or else
    the worker's environment variable. They are replaced in the worker, and nowhere else.
    """

    type: Literal["stdio", "http", "streamable-http", "sse"] | None = None
    """None: ``stdio`` with a command, ``http`` with a URL."""
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    cwd: str | None = None
    """Relative to the app directory."""
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    disabled: bool = False
    opspawn: McpOptions = McpOptions()

    @property
    def transport(self) -> Literal["stdio", "http", "sse"]:
        """How it is reached."""
        if self.command is not None:
            return "stdio"
        return "sse" if self.type == "sse" else "http"

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("expected either command (a program to run) or url")
        return self
