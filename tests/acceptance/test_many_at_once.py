"""Hundreds of watchers and of cancellations at once: none is lost, and each is exact."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from agentkit.client import OpspawnClient, RequestRefused, TaskEvent
from tests.acceptance.conftest import Stack
from tests.acceptance.test_survival import SUM, gate

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

TASKS = 15
WATCHERS_OF_EACH = 10
API_KILLS = 4
CANCELLATIONS = 100
CONCURRENT = 20
MOST_EVENTS = 18
"""A few more than a task of that test has."""

Events = list[tuple[str, str | None]]


async def durable_events(client: OpspawnClient, task_id: str) -> Events:
    async with aclosing(client.events(task_id)) as events:
        return [(event.type, event.position) async for event in events if event.position is not None]


async def test_150_watchers_get_each_event_once_through_four_kills_of_the_api(
    stack: Stack, tmp_path: Path, repetitions: int
) -> None:
    task_ids = [await stack.submit(f"{SUM}\n{gate(tmp_path)}\n{SUM}\nsay through") for _ in range(TASKS * repetitions)]
    async with OpspawnClient(f"http://127.0.0.1:{stack.api_port}", reconnect_timeout=120) as client:
        watched = task_ids * WATCHERS_OF_EACH
        watching = [asyncio.create_task(durable_events(client, task_id)) for task_id in watched]
        for number in range(API_KILLS):
            stack.kill("api")
            if number == API_KILLS - 1:
                (tmp_path / "open").touch()
            stack.start_api()
            await stack.wait_until_ready()
        async with asyncio.timeout(120):
            seen = await asyncio.gather(*watching)
        expected = {task_id: await durable_events(client, task_id) for task_id in task_ids}
    assert all(events[-1][0] == "task.completed" for events in expected.values())
    assert [events for task_id, events in zip(watched, seen, strict=True) if events != expected[task_id]] == []


async def test_100_tasks_that_are_cancelled_at_any_event_all_end(stack: Stack, repetitions: int) -> None:
    seed = random.randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")  # pytest shows it when the test fails
    generator, slots = random.Random(seed), asyncio.Semaphore(CONCURRENT)

    async def race(client: OpspawnClient, cancel_at: int) -> str:
        async with slots, asyncio.timeout(120):
            task = await client.create("porter", f"{SUM}\ncall current_time {{}} & {SUM}\nsay done")
            async with aclosing(client.events(task.id)) as events:
                durable = [event.position async for event in _cancelling(client, events, cancel_at)]
            ended = await client.wait(task.id)
            assert ended.output == ("done" if ended.status == "completed" else None)
            assert len(set(durable)) == len(durable)
            return ended.status

    async with OpspawnClient(f"http://127.0.0.1:{stack.api_port}") as client:
        moments = [generator.randint(1, MOST_EVENTS) for _ in range(CANCELLATIONS * repetitions)]
        statuses = await asyncio.gather(*(race(client, cancel_at) for cancel_at in moments))
    assert set(statuses) == {"cancelled", "completed"}


async def _cancelling(
    client: OpspawnClient, events: AsyncIterator[TaskEvent], cancel_at: int
) -> AsyncIterator[TaskEvent]:
    """Yield the durable events, and cancel the task at one of them, unless it is faster."""
    count = 0
    async for event in events:
        if event.position is None:
            continue
        count += 1
        if count == cancel_at:
            with suppress(RequestRefused):
                await client.cancel(event.task_id)
        yield event
