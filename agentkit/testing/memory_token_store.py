"""Tokens of MCP servers in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AbstractAsyncContextManager

from agentkit.interfaces import McpTokens

__all__ = ["MemoryTokenStore"]


class MemoryTokenStore:
    """An ``McpTokenStore`` without files."""

    def __init__(self) -> None:
        self._tokens: dict[str, McpTokens] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def read(self, server: str) -> McpTokens | None:
        """See ``McpTokenStore``."""
        return self._tokens.get(server)

    async def write(self, server: str, tokens: McpTokens) -> None:
        """See ``McpTokenStore``."""
        self._tokens[server] = tokens

    def lock(self, server: str) -> AbstractAsyncContextManager[None]:
        """See ``McpTokenStore``."""
        return self._locks[server]
