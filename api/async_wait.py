"""Wait for a result unless something else happens first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ["wait_unless"]

_T = TypeVar("_T")


async def wait_unless(awaited: Awaitable[_T], *stops: Awaitable[object]) -> _T | None:
    """Return the result of ``awaited``, or None when one of ``stops`` is done first; cancel what isn't done.

    Not a task group (anyio's or asyncio's): those raise an exception of ``awaited`` inside an ExceptionGroup.
    """
    result = asyncio.ensure_future(awaited)
    futures = [result, *map(asyncio.ensure_future, stops)]
    try:
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        return await result if result.done() else None
    finally:
        for future in futures:
            future.cancel()
        await asyncio.gather(*futures, return_exceptions=True)
