from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from agentkit.llm.shared.streams.reading_turns import in_turns


async def _lines(count: int, work_s: float = 0.0) -> AsyncIterator[bytes]:
    """Yield lines that have all arrived, each of which takes some time to process."""
    for _ in range(count):
        end = time.perf_counter() + work_s
        while time.perf_counter() < end:
            pass
        yield b"data: {}"


async def _read(lines: AsyncIterator[bytes]) -> int:
    return len([line async for line in in_turns(lines)])


async def test_all_lines_are_read_in_order() -> None:
    async def numbers() -> AsyncIterator[bytes]:
        for number in range(1_000):
            yield b"%d" % number

    assert [line async for line in in_turns(numbers())] == [b"%d" % number for number in range(1_000)]


async def test_many_floods_together_leave_another_task_its_turns() -> None:
    floods = [asyncio.create_task(_read(_lines(1_000_000, 0.0002))) for _ in range(32)]
    started = time.process_time()
    turns = 200
    for _ in range(turns):
        await asyncio.sleep(0)  # as a task does that takes 200 steps
    seconds = time.process_time() - started
    for flood in floods:
        flood.cancel()
    await asyncio.gather(*floods, return_exceptions=True)
    assert seconds / turns < 0.1, "a turn of each flood takes 5 ms: 160 ms together"


async def test_a_slow_response_never_waits_for_floods() -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0)  # the network
            yield b"data: {}"

    floods = [asyncio.create_task(_read(_lines(1_000_000, 0.0002))) for _ in range(32)]
    async with asyncio.timeout(10):
        assert await _read(slow()) == 20
    for flood in floods:
        flood.cancel()
    await asyncio.gather(*floods, return_exceptions=True)
