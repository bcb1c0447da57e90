"""Many watchers of one task: one long poll, no gap, no duplicate, bounded buffers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client

from activities.temporal.data_converter import data_converter
from api.events.event import Event
from api.events.event_buffer import EventBuffer
from api.events.event_hub import EventHub
from api.events.feed_subscriber import FeedSubscriber
from api.events.task_feed import TaskFeed
from api.events.task_history import TaskHistory
from api.tasks.errors import WatchInterrupted
from api.tasks.task_service import TaskService
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.test_api_events import PacedModel, completed_task
from tests.integration.api.watching import CountingService

WATCHERS = 500


@dataclass(frozen=True)
class Counted:
    """A hub that counts its calls to Temporal."""

    hub: EventHub
    service: CountingService
    tasks: TaskService

    async def durable(self, task_id: str, after: str | None = None) -> list[Event]:
        """Read a task's durable events to their end."""
        async with asyncio.timeout(60), aclosing((await self.hub.watch(task_id, after)).events()) as events:
            return [event async for event in events if event.position is not None]


@pytest.fixture
async def counted(harness: ApiHarness) -> AsyncIterator[Counted]:
    """A hub for this test only."""
    service = CountingService(harness.temporal.service_client)
    client = Client(service, data_converter=data_converter(harness.settings))
    tasks = TaskService(client, harness.catalog, harness.settings)
    hub = EventHub(client, tasks, harness.settings)
    yield Counted(hub, service, tasks)
    await hub.aclose()


def live(task_id: str, text: str = "x") -> Event:
    return Event("model.delta", task_id, datetime.now(UTC), {"text": text}, 1)


async def test_500_watchers_need_one_long_poll(harness: ApiHarness, counted: Counted) -> None:
    model = PacedModel(3)
    async with harness.worker(model, harness.catalog.toolset.get("calculator")):
        task_id = await harness.submit()
        watching = [asyncio.create_task(counted.durable(task_id)) for _ in range(WATCHERS)]
        counts: list[int] = []
        counted.hub.on_watchers_changed(lambda _, count: counts.append(count))

        async def polls() -> tuple[int, int]:
            return counted.service.polls_now, max(counts, default=0)

        await eventually(polls, lambda counted_now: counted_now == (1, WATCHERS))
        for _ in range(4):
            model.allowed.release()
        seen = await asyncio.gather(*watching)
    assert counted.service.most_polls == 1
    assert seen[0][-1].type == "task.completed"
    assert all(events == seen[0] for events in seen)
    await eventually(polls, lambda counted_now: counted_now[0] == 0)
    assert counted.hub.watched == frozenset()
    assert counts[-1] == 0


async def test_watchers_that_come_at_any_time_miss_nothing(harness: ApiHarness, counted: Counted) -> None:
    steps = 12
    model = PacedModel(steps)
    watching: list[asyncio.Task[list[Event]]] = []
    positions: list[str | None] = [None]
    async with harness.worker(model, harness.catalog.toolset.get("calculator")):
        task_id = await harness.submit(limits={"max_steps": steps + 1})
        async with asyncio.timeout(60), aclosing((await counted.hub.watch(task_id)).events()) as events:
            async for event in events:
                assert event.position is not None
                positions.append(event.position.encode(task_id))
                watching += [asyncio.create_task(counted.durable(task_id, after)) for after in (None, positions[-2])]
                if event.type == "model.started":
                    model.allowed.release()
        expected = await counted.durable(task_id)
        seen = await asyncio.gather(*watching)
    for index in range(len(expected)):
        assert seen[2 * index] == expected, index
        assert seen[2 * index + 1] == expected[index:], index
    assert counted.service.most_polls == 1


@asynccontextmanager
async def small_feed(harness: ApiHarness, task_id: str, max_events: int) -> AsyncIterator[TaskFeed]:
    """Follow a task with a small buffer."""
    history = TaskHistory(harness.temporal, task_id)
    described = await harness.temporal.get_workflow_handle(task_id).describe()
    feed = TaskFeed(history, await history.run_ids(described), described.history_length, EventBuffer(max_events))
    feed.start()
    yield feed
    await asyncio.gather(*feed.stop(), return_exceptions=True)


async def test_events_that_the_buffer_has_dropped_are_read_from_history(harness: ApiHarness, counted: Counted) -> None:
    task_id = await completed_task(harness, steps=5)
    expected = await counted.durable(task_id)
    async with small_feed(harness, task_id, max_events=3) as feed, asyncio.timeout(WITHIN):
        seen = [event async for event in FeedSubscriber(feed, (0, 0, 0)).events()]
        assert (feed.buffer.end, feed.buffer.start) == (len(expected), len(expected) - 3)
        position = expected[4].position
        assert position is not None
        again = [event async for event in FeedSubscriber(feed, feed.key(position)).events()]
    assert seen == expected
    assert again == expected[5:]


async def watch_and_flood(hub: EventHub, task_id: str, seen: list[Event]) -> None:
    """Watch, and publish 5,000 live events while one event is handled."""
    async with aclosing((await hub.watch(task_id)).events()) as events:
        async for event in events:
            if event.position is not None:
                seen.append(event)
            if event.type == "model.started":
                hub.publish(live(task_id))
            if event.type == "model.delta":
                for number in range(5_000):
                    hub.publish(live(task_id, f"word {number}"))


async def test_a_slow_watcher_is_interrupted_and_can_resume_without_loss(harness: ApiHarness, counted: Counted) -> None:
    model = PacedModel(2)
    seen: list[Event] = []
    async with harness.worker(model, harness.catalog.toolset.get("calculator")):
        task_id = await harness.submit()
        with pytest.raises(WatchInterrupted, match="nothing durable is lost"):
            await asyncio.wait_for(watch_and_flood(counted.hub, task_id, seen), WITHIN)
        for _ in range(3):
            model.allowed.release()
        assert seen[-1].position is not None
        seen += await counted.durable(task_id, seen[-1].position.encode(task_id))
        assert seen == await counted.durable(task_id)


async def test_live_events_reach_current_watchers_only(harness: ApiHarness, counted: Counted) -> None:
    model = PacedModel(0)
    async with harness.worker(model):
        task_id = await harness.submit()
        other = await harness.submit()
        types: list[str] = []
        async with asyncio.timeout(WITHIN), aclosing((await counted.hub.watch(task_id)).events()) as events:
            async for event in events:
                types.append(event.type)
                if event.type == "model.started":
                    assert counted.hub.watched == {task_id}
                    counted.hub.publish(live(other))
                    counted.hub.publish(live(task_id))
                if event.type == "model.delta":
                    late = asyncio.create_task(counted.durable(task_id))
                    model.allowed.release()
                    model.allowed.release()
        durable_types = [event.type for event in await late]
    assert types[types.index("model.started") :][:3] == ["model.started", "model.delta", "model.completed"]
    assert durable_types == [each for each in types if each != "model.delta"]


async def test_the_stream_of_an_erased_task_is_interrupted(harness: ApiHarness, counted: Counted) -> None:
    task_id = await harness.submit()
    watch = await counted.hub.watch(task_id)
    await erase(harness, task_id)

    async def status() -> int:
        return (await harness.http.get(f"/api/v1/tasks/{task_id}")).status_code

    await eventually(status, lambda code: code == 404)
    async with aclosing(watch.events()) as events:
        with pytest.raises(WatchInterrupted, match="has deleted the task"):
            await asyncio.wait_for(anext(events), WITHIN)


async def erase(harness: ApiHarness, task_id: str) -> None:
    """Delete a task from Temporal."""
    await harness.temporal.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=harness.temporal.namespace, workflow_execution=WorkflowExecution(workflow_id=task_id)
        )
    )
