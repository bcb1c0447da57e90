"""Connected clients of one server, each used by one request at a time, and ended when idle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agentkit.mcp.http.client_task import ClientTask
from agentkit.mcp.http.http_exchange import HttpExchange
from agentkit.mcp.input_callbacks import InputCallbacks

__all__ = ["PooledSession", "SessionPool"]


class PooledSession:
    """A session with a server that has a state for it."""

    def __init__(self, opened: ClientTask, exchange: HttpExchange, callbacks: InputCallbacks) -> None:
        self.opened = opened
        self.exchange = exchange
        self.callbacks = callbacks
        self.is_new = True
        """Whether no request has used it yet."""


class SessionPool:
    """A few sessions; where all are in use, the next request waits for one."""

    def __init__(
        self,
        open_session: Callable[[], Awaitable[PooledSession]],
        *,
        size: int,
        idle_timeout_s: float,
        close_timeout_s: float,
    ) -> None:
        self._open = open_session
        self._idle_timeout_s = idle_timeout_s
        self._close_timeout_s = close_timeout_s
        self._free = asyncio.Semaphore(size)
        self._idle: dict[PooledSession, asyncio.TimerHandle] = {}
        self._in_use: set[PooledSession] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def acquire(self) -> PooledSession:
        """Return the session that was used last, or a new one, for one request; ``release`` it afterwards."""
        await self._free.acquire()
        try:
            while self._idle:
                session, timer = self._idle.popitem()
                timer.cancel()
                if not session.opened.has_ended:
                    break
            else:
                session = await self._open()
        except BaseException:
            self._free.release()
            raise
        self._in_use.add(session)
        return session

    def add(self, session: PooledSession) -> None:
        """Keep a session that was opened otherwise."""
        loop = asyncio.get_running_loop()
        self._idle[session] = loop.call_later(self._idle_timeout_s, self._end_idle, session)

    def release(self, session: PooledSession, *, usable: bool) -> None:
        """Give a session back to the pool; one that isn't usable is closed."""
        self._in_use.discard(session)
        self._free.release()
        session.is_new = False
        if usable and not session.opened.has_ended:
            self.add(session)
        else:
            self._close_later(session)

    async def aclose(self) -> None:
        """Close all sessions, also those in use."""
        for timer in self._idle.values():
            timer.cancel()
        for session in (*self._idle, *self._in_use):
            self._close_later(session)
        self._idle.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    def _end_idle(self, session: PooledSession) -> None:
        del self._idle[session]
        self._close_later(session)

    def _close_later(self, session: PooledSession) -> None:
        task = asyncio.create_task(session.opened.stop(self._close_timeout_s))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
