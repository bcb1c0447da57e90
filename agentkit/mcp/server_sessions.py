"""The seam between the transports and what is asked of a server: sessions for single requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from mcp import Client

from agentkit.interfaces import ClientInput, ClientInputRequest

__all__ = ["RequestHandlers", "ServerSessions"]


@dataclass(frozen=True)
class RequestHandlers:
    """What a server may ask while it works on one request."""

    ask: Callable[[ClientInputRequest], Awaitable[ClientInput]]
    """Elicitation, sampling and roots; over older protocols the server waits for the answer."""


class ServerSessions(Protocol):
    """Sessions with one server over one transport."""

    def session(self, handlers: RequestHandlers | None = None) -> AbstractAsyncContextManager[Client]:
        """Return a connected client for one request; others may use the same one meanwhile.

        What the server asks during the request goes to ``handlers``; without any, it is declined.

        Raises:
            McpServerUnavailable: there is no connection, within the server's ``connect_timeout``.
        """
        ...

    async def aclose(self) -> None:
        """End the connections, and processes with all their descendants."""
        ...
