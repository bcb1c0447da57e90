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
    """Return the memory in a directory; nothing is opened, or made, before the first call.

    One process at a time can have it open: to another it is unavailable. Closing it closes the embedder.
    """
    from agentkit.memory.edge_points import EdgePoints  # loaded by those who use it

    return VectorMemory(EdgePoints(directory), embedder, now=now)
