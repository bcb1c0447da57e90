"""Long-term memory that its first call opens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from agentkit.interfaces import (
    LongTermMemory,
    Memory,
    MemoryChanges,
    MemoryPage,
    MemoryScope,
    NewMemory,
    RememberedMemory,
)

__all__ = ["LazyMemory"]


class LazyMemory:
    """A ``LongTermMemory`` that the first call opens, also the first one after ``aclose``."""

    def __init__(self, open_memory: Callable[[], Awaitable[LongTermMemory]]) -> None:
        """Forward calls to what ``open_memory`` returns; if it fails, the next call tries again."""
        self._open = open_memory
        self._memory: LongTermMemory | None = None
        self._lock = asyncio.Lock()

    async def remember(self, scope: MemoryScope, memory: NewMemory) -> RememberedMemory:
        """See ``LongTermMemory``."""
        return await (await self._opened()).remember(scope, memory)

    async def recall(self, scope: MemoryScope, query: str, *, limit: int) -> Sequence[Memory]:
        """See ``LongTermMemory``."""
        return await (await self._opened()).recall(scope, query, limit=limit)

    async def get(self, scope: MemoryScope, memory_id: str) -> Memory:
        """See ``LongTermMemory``."""
        return await (await self._opened()).get(scope, memory_id)

    async def find(self, tenant: str, memory_id: str) -> Memory:
        """See ``LongTermMemory``."""
        return await (await self._opened()).find(tenant, memory_id)

    async def list(self, scope: MemoryScope, *, limit: int, cursor: str | None = None) -> MemoryPage:
        """See ``LongTermMemory``."""
        return await (await self._opened()).list(scope, limit=limit, cursor=cursor)

    async def update(self, scope: MemoryScope, memory_id: str, changes: MemoryChanges) -> Memory:
        """See ``LongTermMemory``."""
        return await (await self._opened()).update(scope, memory_id, changes)

    async def forget(self, scope: MemoryScope, memory_id: str) -> None:
        """See ``LongTermMemory``."""
        await (await self._opened()).forget(scope, memory_id)

    async def export(self, scope: MemoryScope) -> AsyncIterator[Memory]:
        """See ``LongTermMemory``."""
        async for memory in (await self._opened()).export(scope):
            yield memory

    async def erase(self, scope: MemoryScope) -> int:
        """See ``LongTermMemory``."""
        return await (await self._opened()).erase(scope)

    async def erase_of_task(self, tenant: str, task_id: str) -> int:
        """See ``LongTermMemory``."""
        return await (await self._opened()).erase_of_task(tenant, task_id)

    async def erase_of_conversation(self, tenant: str, conversation_id: str) -> int:
        """See ``LongTermMemory``."""
        return await (await self._opened()).erase_of_conversation(tenant, conversation_id)

    async def reindex(self) -> int:
        """See ``LongTermMemory``."""
        return await (await self._opened()).reindex()

    async def aclose(self) -> None:
        """Close it, if it is open."""
        async with self._lock:
            memory, self._memory = self._memory, None
        if memory is not None:
            await memory.aclose()

    async def _opened(self) -> LongTermMemory:
        async with self._lock:
            if self._memory is None:
                self._memory = await self._open()
            return self._memory
