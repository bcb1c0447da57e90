"""Share one read of Temporal's visibility among equal requests: Temporal allows few a second, and each is costly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["SharedReads"]

_MAX_AT_ONCE = 8
"""More at the same time would all be slower, and time out together."""

_T = TypeVar("_T")


class SharedReads(Generic[_T]):
    """Runs reads: of equal ones one at a time, and a few different ones.

    All requests that come while an equal read runs share the next one. They don't share the one that runs: it may have
    missed what they just created.
    """

    def __init__(self, max_at_once: int = _MAX_AT_ONCE) -> None:
        self._slots = asyncio.Semaphore(max_at_once)
        self._running: dict[Hashable, asyncio.Task[_T]] = {}
        self._next: dict[Hashable, asyncio.Task[_T]] = {}

    async def run(self, key: Hashable, read: Callable[[], Awaitable[_T]]) -> _T:
        """Return what ``read`` returns, or the read of another request with an equal key that begins after this call.

        A read isn't cancelled with its requests, as others may share it; so it needs time limits of its own.
        """
        if (task := self._next.get(key)) is None:
            task = self._next[key] = asyncio.create_task(self._run(key, read, self._running.get(key)))
            task.add_done_callback(_retrieve_error)
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, read: Callable[[], Awaitable[_T]], before: asyncio.Task[_T] | None) -> _T:
        if before is not None:
            await asyncio.wait((before,))
        async with self._slots:
            task = self._running[key] = self._next.pop(key)
            try:
                return await read()
            finally:
                if self._running.get(key) is task:
                    del self._running[key]


def _retrieve_error(task: asyncio.Task[_T]) -> None:
    """Mark the error as handled: there may be no request left that awaits it."""
    if not task.cancelled():
        task.exception()
