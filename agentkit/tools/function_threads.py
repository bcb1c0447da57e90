"""The threads in which plain functions run as tools: apart from asyncio's own, which look-ups of names use, say."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

__all__ = ["FUNCTION_THREADS", "FunctionThreads", "TrackedThreads"]

_CANCEL_GRACE_S = 0.8
"""Seconds that a plain function has to end after its cancellation; less than its process has."""
_MAX_THREADS = 100
"""One for each tool call that a worker runs at once."""


class TrackedThreads(ThreadPoolExecutor):
    """A thread pool that knows its threads and its unfinished jobs."""

    def __init__(self, max_threads: int) -> None:
        super().__init__(max_threads, thread_name_prefix="tool", initializer=self._on_thread_started)
        self.unfinished: set[Future[Any]] = set()
        self.threads: list[threading.Thread] = []

    def _on_thread_started(self) -> None:
        self.threads.append(threading.current_thread())

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a job, and remember it until it is done."""
        future = super().submit(function, *args, **kwargs)
        self.unfinished.add(future)
        future.add_done_callback(self.unfinished.discard)
        return future


class FunctionThreads(TrackedThreads):
    """Runs the functions of tools. A thread can't be stopped: it runs on when its call is cancelled."""

    def __init__(self, max_threads: int = _MAX_THREADS) -> None:
        super().__init__(max_threads)
        self._abandoned: dict[Future[Any], str] = {}

    @property
    def abandoned(self) -> Mapping[str, int]:
        """The number of functions that run on though their call has ended, by tool."""
        return Counter(list(self._abandoned.values()))

    async def run(self, tool: str, function: Callable[[], object], cancelled: threading.Event | None = None) -> object:
        """Run the tool's function in a thread, and return its result.

        When the call is cancelled, ``cancelled`` is set, and the function gets a moment to end by itself.
        """
        job = self.submit(contextvars.copy_context().run, function)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if cancelled is not None:
                cancelled.set()
                await _ended(job)
            if not job.cancelled():
                self._abandoned[job] = tool
                job.add_done_callback(lambda done: self._abandoned.pop(done, None))
            raise


async def _ended(job: Future[Any]) -> None:
    """Wait until the job is done, for a moment."""
    done = asyncio.get_running_loop().create_future()
    job.add_done_callback(lambda _: done.get_loop().call_soon_threadsafe(_set_done, done))
    with suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(done, _CANCEL_GRACE_S)


def _set_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


FUNCTION_THREADS = FunctionThreads()
"""Those of this process. They are started when they are needed."""
