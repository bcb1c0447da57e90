from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.events.event import Event
from api.events.event_buffer import EventBuffer
from api.events.task_feed import TASK_GONE, TaskFeed, retry_delay
from api.events.task_history import TaskHistory
from tests.unit.api.events.scripted_temporal import TASK_ID, TIMEOUT_S, ScriptedTemporal


@pytest.fixture
def temporal() -> ScriptedTemporal:
    return ScriptedTemporal()


@pytest.fixture
async def feed(temporal: ScriptedTemporal) -> AsyncIterator[TaskFeed]:
    """It follows the first run."""
    feed = TaskFeed(TaskHistory(temporal.client(), TASK_ID), [temporal.run_id], length=1)
    feed.start()
    yield feed
    await asyncio.gather(*feed.stop(), return_exceptions=True)


async def events_of(buffer: EventBuffer, count: int) -> list[Event]:
    """Return the first ``count`` events; fewer where the buffer is closed before."""
    await asyncio.wait_for(buffer.wait_for(count - 1), TIMEOUT_S)
    return [buffer[number] for number in range(buffer.end)]


def plans(events: list[Event]) -> list[object]:
    return [event.data["plan"] for event in events if event.type == "plan.updated"]


async def test_events_are_buffered_as_they_happen_until_the_task_ends(
    temporal: ScriptedTemporal, feed: TaskFeed
) -> None:
    await events_of(feed.buffer, 1)
    assert feed.caught_up
    temporal.plan("a")
    assert plans(await events_of(feed.buffer, 2)) == [["a"]]
    temporal.cancel_task()
    events = await events_of(feed.buffer, 99)
    assert events[-1].type == "task.cancelled"
    assert (feed.buffer.closed, feed.interruption) == (True, None)


async def test_a_task_that_continues_as_new_is_followed_into_its_next_run(
    temporal: ScriptedTemporal, feed: TaskFeed
) -> None:
    temporal.plan("a")
    temporal.start_run()
    temporal.plan("b")
    events = await events_of(feed.buffer, 3)
    assert plans(events) == [["a"], ["b"]]
    assert feed.run_ids == list(temporal.runs)
    keys = [feed.key(event.position) for event in events if event.position]
    assert keys == sorted(keys)
    assert keys[-1][0] == 1


async def test_after_an_outage_there_is_no_gap_and_no_duplicate(temporal: ScriptedTemporal, feed: TaskFeed) -> None:
    temporal.plan("a")
    await events_of(feed.buffer, 2)
    await temporal.until(lambda: temporal.long_polls == 1)
    temporal.fail()
    failed = temporal.calls["get_workflow_execution_history"]
    temporal.plan("b")
    await temporal.until(lambda: temporal.calls["get_workflow_execution_history"] > failed)
    temporal.recover()
    assert plans(await events_of(feed.buffer, 3)) == [["a"], ["b"]]
    assert feed.interruption is None


async def test_an_erased_task_closes_the_buffer_with_the_reason(temporal: ScriptedTemporal, feed: TaskFeed) -> None:
    await events_of(feed.buffer, 1)
    await temporal.until(lambda: temporal.long_polls == 1)
    temporal.erase()
    await events_of(feed.buffer, 99)
    assert (feed.buffer.closed, feed.interruption) == (True, TASK_GONE)


async def test_a_run_is_read_without_the_long_poll(temporal: ScriptedTemporal, feed: TaskFeed) -> None:
    for item in "abcde":
        temporal.plan(item)
    assert plans([event async for event in feed.read(0)]) == [[item] for item in "abcde"]


def test_the_retry_delay_doubles_until_there_is_progress() -> None:
    delays = [retry_delay(0, progressed=False)]
    for _ in range(8):
        delays.append(retry_delay(delays[-1], progressed=False))
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == 5.0
    assert retry_delay(delays[-1], progressed=True) == 0.1
