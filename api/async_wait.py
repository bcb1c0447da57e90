"""Wait for one of several things."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

__all__ = ["first_of"]


async def first_of(wanted: Awaitable[None], *others: Awaitable[object]) -> bool:
    """Wait until one of these is done, and cancel the rest; return whether ``wanted`` is, or raise what it raised."""
    waiting = [asyncio.ensure_future(one) for one in (wanted, *others)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not waiting[0].done():
            return False
        await waiting[0]
        return True
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
