"""Wait for what has no event, such as a process that ends or a line in a log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["eventually", "eventually_found"]

_INTERVAL_S = 0.02

_Found = TypeVar("_Found")


async def eventually(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(_INTERVAL_S)


async def eventually_found(find: Callable[[], Awaitable[_Found | None]], timeout_s: float = 60) -> _Found:
    """Wait until what ``find`` returns is true, such as a list that isn't empty, and return it."""
    async with asyncio.timeout(timeout_s):
        while not (found := await find()):  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(_INTERVAL_S)
        return found
