from __future__ import annotations

import asyncio

import pytest

from agentkit.runtime.concurrency import gather_or_cancel


async def test_results_keep_the_order() -> None:
    async def later(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return turns

    assert await gather_or_cancel(map(later, (3, 1, 2))) == [3, 1, 2]


async def test_a_failure_is_raised_when_the_others_have_ended() -> None:
    ended: list[str] = []

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("waiting")

    async def failing() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await gather_or_cancel([waiting(), failing()])
    assert ended == ["waiting"]


async def test_a_cancellation_ends_all() -> None:
    ended: list[int] = []
    started = asyncio.Event()

    async def waiting(number: int) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    gathering = asyncio.create_task(gather_or_cancel(map(waiting, (1, 2))))
    await started.wait()
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    assert ended == [1, 2]
