"""Share the event loop between the responses of providers and everything else: no flood of events may occupy it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from weakref import WeakKeyDictionary

__all__ = ["in_turns"]

_TURN_S = 0.005
"""How long one response may be read at a time, and how long it then waits."""
_SHARE = 0.1
"""The part of the event loop's time that one response may have without waiting."""

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""Held by the one response that waits its time; the others wait for the lock. So all floods together get half the time
of the event loop, however many they are."""


async def in_turns(lines: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield the lines; what has arrived in large numbers is interrupted for other tasks of the event loop."""
    loop = asyncio.get_running_loop()
    lock = _locks.setdefault(loop, asyncio.Lock())
    turn = _Turn(loop)
    async for line in lines:
        if turn.is_over():
            async with lock:
                await asyncio.sleep(_TURN_S)
            turn = _Turn(loop)
        yield line


class _Turn:
    """Measures how long a response is processed, without the times in which it waited for the network."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._started_at = self._checked_at = loop.time()
        self._work_s = 0.0
        self._has_waited = False
        loop.call_soon(self._on_next_iteration)

    def is_over(self) -> bool:
        """Count the time since the last call, and return whether it is another's turn."""
        now = self._loop.time()
        if self._has_waited:
            self._has_waited = False
            self._loop.call_soon(self._on_next_iteration)
        else:
            self._work_s += now - self._checked_at
        self._checked_at = now
        return self._work_s > _TURN_S + _SHARE * (now - self._started_at)

    def _on_next_iteration(self) -> None:
        self._has_waited = True
