"""Open long-term memory in a directory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from agentkit.interfaces import Embedder, LongTermMemory
from agentkit.memory.vector_memory import VectorMemory
from agentkit.memory_rules import utc_now

__all__ = ["open_embedded_memory"]


def open_embedded_memory(
    directory: Path, embedder: Embedder, *, now: Callable[[], datetime] = utc_now
) -> LongTermMemory:
    """Return the memory in a directory; the first call opens or creates it. Closing it closes the embedder.

    One process at a time can have it open: calls of others raise MemoryUnavailable.
    """
    from agentkit.memory.edge_points import EdgePoints  # imported only where it is used

    return VectorMemory(EdgePoints(directory), embedder, now=now)
