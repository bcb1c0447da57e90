"""Open long-term memory on a Qdrant server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from agentkit.interfaces import Embedder, LongTermMemory
from agentkit.memory.vector_memory import VectorMemory
from agentkit.memory_rules import utc_now

__all__ = ["open_server_memory"]


def open_server_memory(
    url: str, embedder: Embedder, *, api_key: str | None, collection: str, now: Callable[[], datetime] = utc_now
) -> LongTermMemory:
    """Return the memory in a collection, which the first call creates if there is none. Closing it closes the embedder.

    Raises:
        MemoryMisconfigured: ``url`` isn't a valid URL.
    """
    from agentkit.memory.server_points import ServerPoints  # imported only where it is used

    return VectorMemory(ServerPoints(url, api_key=api_key, collection=collection), embedder, now=now)
