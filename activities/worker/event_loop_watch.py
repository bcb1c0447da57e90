"""Show in the log what blocks a worker's event loop."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["watching_event_loop"]

logger = logging.getLogger("opspawn.worker")


@asynccontextmanager
async def watching_event_loop(*, blocked_after_s: float = 5.0, interval_s: float = 1.0) -> AsyncIterator[None]:
    """Write all threads' tracebacks to standard error while the event loop is blocked; log how long it was.

    The tracebacks have file, line and function of what blocks it, such as an ``async def`` tool that runs in the worker
    and doesn't await. They are written by a thread that needs no interpreter.
    """
    watching = asyncio.create_task(_watch(blocked_after_s, interval_s))
    try:
        yield
    finally:
        watching.cancel()
        faulthandler.cancel_dump_traceback_later()


async def _watch(blocked_after_s: float, interval_s: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        faulthandler.dump_traceback_later(blocked_after_s + interval_s)
        started_at = loop.time()
        await asyncio.sleep(interval_s)
        blocked_s = loop.time() - started_at - interval_s
        if blocked_s > blocked_after_s:
            logger.error(
                "The event loop of this worker was blocked for %.0f s, and all of its tasks with it: see the "
                "tracebacks above. A tool that blocks is to be a plain function, or to run in a process of its own.",
                blocked_s,
            )
