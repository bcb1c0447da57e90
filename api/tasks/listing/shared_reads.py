"""Share one read of Temporal's visibility among equal requests: Temporal allows few a second, and each is costly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

__all__ = ["SharedReads"]

_MAX_AT_ONCE = 8
"""More at the same time would all be slower, and time out together."""
_MAX_OF_TENANT = 6
"""The rest is free for the reads of other tenants."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _QueuedRead(Generic[_T]):
    task: asyncio.Task[_T]
    requests: int = 0
    """How many requests wait for it."""


class SharedReads(Generic[_T]):
    """Runs reads: of equal ones one at a time, and a few different ones, of each tenant fewer.

    All requests that come while an equal read runs share the next one. They don't share the one that runs: it may have
    missed what they just created. A read that waits for its turn is dropped when its last request is cancelled.
    """

    def __init__(self, max_at_once: int = _MAX_AT_ONCE, max_of_tenant: int = _MAX_OF_TENANT) -> None:
        self._slots = asyncio.Semaphore(max_at_once)
        self._max_of_tenant = max_of_tenant
        self._tenants = WeakValueDictionary[str, asyncio.Semaphore]()
        """The slots of each tenant, while it has reads."""
        self._running: dict[Hashable, asyncio.Task[_T]] = {}
        self._next: dict[Hashable, _QueuedRead[_T]] = {}

    async def run(self, key: Hashable, read: Callable[[], Awaitable[_T]], tenant: str) -> _T:
        """Return what ``read`` returns, or the read of another request with an equal key that begins after this call.

        A read that runs isn't cancelled with its requests, as others may share it; so it needs time limits of its own.
        ``tenant`` is whose slots it takes.
        """
        if (queued := self._next.get(key)) is None:
            task = asyncio.create_task(self._run(key, read, self._running.get(key), tenant))
            task.add_done_callback(_retrieve_error)
            queued = self._next[key] = _QueuedRead(task)
        queued.requests += 1
        try:
            return await asyncio.shield(queued.task)
        finally:
            queued.requests -= 1
            if queued.requests == 0 and self._next.get(key) is queued:
                del self._next[key]
                queued.task.cancel()

    async def _run(
        self, key: Hashable, read: Callable[[], Awaitable[_T]], before: asyncio.Task[_T] | None, tenant: str
    ) -> _T:
        if before is not None:
            await asyncio.wait((before,))
        slots_of_tenant = self._tenants.setdefault(tenant, asyncio.Semaphore(self._max_of_tenant))
        async with slots_of_tenant, self._slots:
            task = self._running[key] = self._next.pop(key).task
            try:
                return await read()
            finally:
                if self._running.get(key) is task:
                    del self._running[key]


def _retrieve_error(task: asyncio.Task[_T]) -> None:
    """Mark the error as handled: there may be no request left that awaits it."""
    if not task.cancelled():
        task.exception()
