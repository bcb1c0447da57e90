from __future__ import annotations

import asyncio

import pytest

from api.async_wait import wait_unless


async def never() -> bool:
    return await asyncio.Event().wait()


async def fail() -> None:
    raise LookupError("not there")


async def test_the_result_is_returned_and_the_stops_are_cancelled() -> None:
    stop = asyncio.ensure_future(never())
    assert await wait_unless(asyncio.sleep(0, "result"), stop) == "result"
    assert stop.cancelled()


async def test_nothing_is_returned_when_a_stop_is_first_and_the_awaited_is_cancelled() -> None:
    awaited = asyncio.ensure_future(never())
    assert await wait_unless(awaited, asyncio.sleep(0)) is None
    assert awaited.cancelled()


async def test_an_exception_is_raised_as_it_is() -> None:
    with pytest.raises(LookupError, match="not there"):
        await wait_unless(fail(), never())


async def test_cancelling_the_wait_cancels_what_it_waits_for() -> None:
    awaited, stop = asyncio.ensure_future(never()), asyncio.ensure_future(never())
    waiting = asyncio.create_task(wait_unless(awaited, stop))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert awaited.cancelled()
    assert stop.cancelled()
