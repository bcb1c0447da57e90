"""A clock for tests that goes forward only when nothing else is left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

_TURNS = 50
"""How often the event loop goes round before all is taken to rest."""


class VirtualTime:
    """Seconds that pass at once."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        await future

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Go forward, and wake on the way whoever sleeps."""
        end = self.now + seconds
        await self.settle()
        while (due := self._next()) is not None and due <= end:
            self.now = due
            for then, future in self._sleepers:
                if then <= due and not future.done():
                    future.set_result(None)
            await self.settle()
        self.now = end

    async def run(self, work: Awaitable[T]) -> T:
        """Return what the work comes to, however long it takes."""
        task = asyncio.ensure_future(work)
        await self.settle()
        while not task.done():
            due = self._next()
            assert due is not None, "it waits for what never happens"
            await self.advance(due - self.now)
        return task.result()

    def _next(self) -> float | None:
        self._sleepers = [(then, future) for then, future in self._sleepers if not future.done()]
        return min((then for then, _ in self._sleepers), default=None)
