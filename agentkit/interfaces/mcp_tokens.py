"""The ``McpTokenStore`` Protocol: what logins at MCP servers have given, kept for all workers of an app."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pydantic import Field

from agentkit.records import Record

__all__ = ["McpTokenStore", "McpTokens"]


class McpTokens(Record):
    """The tokens of one server, and what is needed to renew them. ``repr`` shows no secret."""

    url: str
    """The server's: the tokens are sent nowhere else."""
    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(default=None, repr=False)
    expires_at: float | None = None
    """When the access token expires, in seconds since 1970; None: the server doesn't say."""
    scope: str | None = None
    issuer: str | None = None
    """The authorization server."""
    token_endpoint: str
    """Its URL for renewals."""
    resource: str | None = None
    """For whom tokens are asked (RFC 8707)."""
    client_id: str
    client_secret: str | None = Field(default=None, repr=False)
    token_endpoint_auth_method: str | None = None


class McpTokenStore(Protocol):
    """Tokens by the names of servers."""

    async def read(self, server: str) -> McpTokens | None:
        """Return the tokens of a server; None if nobody has logged in there."""
        ...

    async def write(self, server: str, tokens: McpTokens) -> None:
        """Replace the tokens of a server, all at once."""
        ...

    def lock(self, server: str) -> AbstractAsyncContextManager[None]:
        """Return a lock on a server's tokens, held by one task of one process: a refresh token may be used only once.

        Raises:
            TimeoutError: another has held it for too long.
        """
        ...
