from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import pytest

from activities.streaming.token_batches import ResponseId, TokenBatch
from agentkit.interfaces import ModelDelta
from api.events.event import Event
from api.events.event_buffer import EventBuffer
from api.events.feed_subscriber import FeedSubscriber
from api.events.task_feed import PositionKey, TaskFeed
from api.events.task_history import TaskHistory
from api.tasks.errors import WatchInterrupted
from tests.unit.api.events.scripted_temporal import TASK_ID, TIMEOUT_S, ScriptedTemporal

START: PositionKey = (0, 0, 0)


@pytest.fixture
def temporal() -> ScriptedTemporal:
    return ScriptedTemporal()


@asynccontextmanager
async def feed_of(temporal: ScriptedTemporal, *, max_events: int = 100) -> AsyncIterator[TaskFeed]:
    """Follow the task from its newest run."""
    runs, length = list(temporal.runs), len(temporal.runs[temporal.run_id])
    feed = TaskFeed(TaskHistory(temporal.client(), TASK_ID), runs, length, EventBuffer(max_events))
    feed.start()
    yield feed
    await asyncio.gather(*feed.stop(), return_exceptions=True)


async def caught_up(feed: TaskFeed, count: int) -> None:
    """Wait until the feed has had ``count`` events."""
    await asyncio.wait_for(feed.buffer.wait_for(count - 1), TIMEOUT_S)


async def read(feed: TaskFeed, after: PositionKey = START) -> list[Event]:
    """Read to the end of the feed."""
    async with asyncio.timeout(TIMEOUT_S), aclosing(FeedSubscriber(feed, after).events()) as events:
        return [event async for event in events]


def live(text: str) -> Event:
    return Event("tool.retrying", TASK_ID, datetime.now(UTC), {"text": text}, 1)


def texts(events: list[Event]) -> list[object]:
    """Return the plan or text of each event that has one, and None for a reset."""
    return [
        event.data.get("plan", event.data.get("text"))
        for event in events
        if event.type in ("plan.updated", "model.delta", "model.reset")
    ]


async def test_earlier_runs_are_read_from_history(temporal: ScriptedTemporal) -> None:
    for item in "ab":
        temporal.plan(item)
        temporal.start_run()
    temporal.plan("c")
    temporal.cancel_task()
    async with feed_of(temporal) as feed:
        assert texts(await read(feed)) == [["a"], ["b"], ["c"]]


async def test_events_that_the_buffer_has_dropped_are_read_from_history(temporal: ScriptedTemporal) -> None:
    for item in "abcdef":
        temporal.plan(item)
    temporal.cancel_task()
    async with feed_of(temporal, max_events=2) as feed:
        await caught_up(feed, 9)
        events = await read(feed)
        assert texts(events) == [[item] for item in "abcdef"]
        resumed_after = events[3].position
        assert resumed_after is not None
        assert await read(feed, feed.key(resumed_after)) == events[4:]


async def test_reading_history_waits_while_temporal_is_away(temporal: ScriptedTemporal) -> None:
    for item in "abcdef":
        temporal.plan(item)
    temporal.cancel_task()
    async with feed_of(temporal, max_events=2) as feed:
        await caught_up(feed, 9)
        temporal.fail()
        failed = temporal.calls["get_workflow_execution_history"]
        reading = asyncio.create_task(read(feed))
        await temporal.until(lambda: temporal.calls["get_workflow_execution_history"] > failed)
        temporal.recover()
        assert texts(await reading) == [[item] for item in "abcdef"]


async def test_reading_the_history_of_an_erased_task_is_interrupted(temporal: ScriptedTemporal) -> None:
    for item in "abcdef":
        temporal.plan(item)
    async with feed_of(temporal, max_events=2) as feed:
        await caught_up(feed, 7)
        temporal.erase()
        with pytest.raises(WatchInterrupted, match="has deleted the task"):
            await read(feed)


async def test_live_events_from_before_the_subscription_are_skipped(temporal: ScriptedTemporal) -> None:
    async with feed_of(temporal) as feed:
        await caught_up(feed, 1)
        feed.buffer.append(live("before"))
        async with aclosing(FeedSubscriber(feed, START).events()) as events:
            assert (await anext(events)).type == "task.status"
            feed.buffer.append(live("after"))
            assert (await asyncio.wait_for(anext(events), TIMEOUT_S)).data["text"] == "after"


async def test_a_subscriber_that_falls_behind_is_interrupted(temporal: ScriptedTemporal) -> None:
    async with feed_of(temporal, max_events=10) as feed, aclosing(FeedSubscriber(feed, START).events()) as events:
        await anext(events)
        feed.buffer.append(live("first"))
        await anext(events)
        for number in range(11):
            feed.buffer.append(live(str(number)))
        with pytest.raises(WatchInterrupted, match="nothing durable is lost"):
            await anext(events)


async def test_events_that_are_there_are_one_batch_unless_they_are_large(temporal: ScriptedTemporal) -> None:
    async with feed_of(temporal) as feed:
        await caught_up(feed, 1)
        async with asyncio.timeout(TIMEOUT_S), aclosing(FeedSubscriber(feed, START).batches()) as batches:
            assert [event.type for event in await anext(batches)] == ["task.status"]
            for text in ("a", "b", "x" * 20_000, "c"):
                feed.buffer.append(live(text))
            received = [[str(event.data["text"])[:1] for event in await anext(batches)] for _ in range(2)]
    assert received == [["a", "b", "x"], ["c"]]


async def test_a_new_subscriber_gets_the_tokens_so_far_and_then_each_delta(temporal: ScriptedTemporal) -> None:
    activity_id = temporal.schedule_model()
    response = ResponseId(TASK_ID, temporal.run_id, activity_id, 1, 1)
    async with feed_of(temporal) as feed:
        await caught_up(feed, 2)
        feed.tokens.on_batch(TokenBatch(response, "start", (ModelDelta("text", "hello "),)))
        async with asyncio.timeout(TIMEOUT_S), aclosing(FeedSubscriber(feed, START).events()) as events:
            received = [await anext(events) for _ in range(4)]
            feed.tokens.on_batch(TokenBatch(response, "continue", (ModelDelta("text", "there"),)))
            received.append(await anext(events))
    assert [event.type for event in received[:2]] == ["task.status", "model.started"]
    assert texts(received) == [None, "hello ", "there"]


async def test_a_feed_that_is_interrupted_interrupts_its_subscribers(temporal: ScriptedTemporal) -> None:
    async with feed_of(temporal) as feed:
        reading = asyncio.create_task(read(feed))
        await caught_up(feed, 1)
        feed.interruption = "The server stops."
        await asyncio.gather(*feed.stop(), return_exceptions=True)
        with pytest.raises(WatchInterrupted, match=r"The server stops\."):
            await reading
