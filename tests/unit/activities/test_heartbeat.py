from __future__ import annotations

import asyncio
import dataclasses

from temporalio.testing import ActivityEnvironment

from activities.heartbeat import heartbeating
from agentkit.interfaces import ToolProgress


async def test_an_activity_heartbeats_until_the_block_ends() -> None:
    environment = ActivityEnvironment()
    heartbeat_sent = asyncio.Event()
    environment.on_heartbeat = lambda *_: heartbeat_sent.set()
    before = asyncio.all_tasks()

    async def work() -> None:
        async with heartbeating():
            await asyncio.wait_for(heartbeat_sent.wait(), 5)

    await environment.run(work)
    remaining = asyncio.all_tasks() - before
    await asyncio.wait_for(asyncio.gather(*remaining, return_exceptions=True), 5)
    assert heartbeat_sent.is_set()


async def test_a_local_activity_does_not_heartbeat() -> None:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, is_local=True)

    async def work() -> int:
        before = asyncio.all_tasks()
        async with heartbeating():
            return len(asyncio.all_tasks() - before)

    assert await environment.run(work) == 0


async def test_heartbeats_carry_the_newest_details() -> None:
    environment = ActivityEnvironment()
    details: asyncio.Queue[object] = asyncio.Queue()
    environment.on_heartbeat = details.put_nowait

    async def work() -> object:
        async with heartbeating() as heartbeat:
            heartbeat.details = ToolProgress(text="begun")
            heartbeat.details = ToolProgress(text="half", fraction=0.5)
            return await asyncio.wait_for(details.get(), 5)

    assert await environment.run(work) == ToolProgress(text="half", fraction=0.5)
