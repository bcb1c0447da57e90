"""Long-term memory: texts that agents find again, by meaning and by words."""

from __future__ import annotations

from agentkit.memory.memory_choice import open_memory

__all__ = ["open_memory"]
