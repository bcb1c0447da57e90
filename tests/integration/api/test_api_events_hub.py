"""Many watchers of one task: one long poll, no gap, no duplicate, and bounds."""

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

from activities.temporal.client import data_converter
from api.events.event import Event
from api.events.event_buffer import Log
from api.events.event_hub import Hub
from api.events.subscriber import Reader
from api.events.task_feed import Feed
from api.events.task_history import TaskHistory
from api.tasks.errors import WatchInterrupted
from api.tasks.task_service import TaskService
from tests.integration.api.conftest import WITHIN, Front, eventually
from tests.integration.api.test_api_events import Paced, finished
from tests.integration.api.watching import CountingService

WATCHERS = 500


@dataclass(frozen=True)
class Counted:
    """A hub, and the calls to Temporal that it makes."""

    hub: Hub
    service: CountingService
    tasks: TaskService

    async def durable(self, task_id: str, after: str | None = None) -> list[Event]:
        """Read a task's durable events to their end."""
        async with asyncio.timeout(60), aclosing((await self.hub.watch(task_id, after)).events()) as events:
            return [event async for event in events if event.position is not None]


@pytest.fixture
async def counted(front: Front) -> AsyncIterator[Counted]:
    """A hub of the test's own."""
    service = CountingService(front.temporal.service_client)
    client = Client(service, data_converter=data_converter(front.settings))
    tasks = TaskService(client, front.app, front.settings)
    hub = Hub(client, tasks, front.settings)
    yield Counted(hub, service, tasks)
    await hub.aclose()


def live(task_id: str, text: str = "x") -> Event:
    return Event("model.delta", task_id, datetime.now(UTC), {"text": text}, 1)


async def test_500_watchers_need_one_long_poll(front: Front, counted: Counted) -> None:
    pace = Paced(3)
    async with front.worker(pace, front.app.toolset.get("calculator")):
        task_id = await front.submit()
        watching = [asyncio.create_task(counted.durable(task_id)) for _ in range(WATCHERS)]
        counts: list[int] = []
        counted.hub.listen(lambda _, count: counts.append(count))

        async def polls() -> tuple[int, int]:
            return counted.service.polls_now, max(counts, default=0)

        await eventually(polls, lambda found: found == (1, WATCHERS))
        for _ in range(4):
            pace.allowed.release()
        seen = await asyncio.gather(*watching)
    assert counted.service.most_polls == 1
    assert seen[0][-1].type == "task.completed"
    assert all(one == seen[0] for one in seen)
    await eventually(polls, lambda found: found[0] == 0)
    assert counted.hub.watched == frozenset()
    assert counts[-1] == 0


async def test_watchers_who_come_at_any_time_miss_nothing(front: Front, counted: Counted) -> None:
    steps = 12
    pace = Paced(steps)
    watching: list[asyncio.Task[list[Event]]] = []
    positions: list[str | None] = [None]
    async with front.worker(pace, front.app.toolset.get("calculator")):
        task_id = await front.submit(limits={"max_steps": steps + 1})
        async with asyncio.timeout(60), aclosing((await counted.hub.watch(task_id)).events()) as events:
            async for event in events:
                assert event.position is not None
                positions.append(event.position.encode(task_id))
                watching += [asyncio.create_task(counted.durable(task_id, one)) for one in (None, positions[-2])]
                if event.type == "model.started":
                    pace.allowed.release()
        whole = await counted.durable(task_id)
        seen = await asyncio.gather(*watching)
    for number in range(len(whole)):
        assert seen[2 * number] == whole, number
        assert seen[2 * number + 1] == whole[number:], number
    assert counted.service.most_polls == 1


@asynccontextmanager
async def small_feed(front: Front, task_id: str, most: int) -> AsyncIterator[Feed]:
    """Follow a task with a log that holds very little."""
    history = TaskHistory(front.temporal, task_id)
    described = await front.temporal.get_workflow_handle(task_id).describe()
    feed = Feed(history, await history.parts(described), described.history_length, Log(most))
    feed.start()
    yield feed
    await asyncio.gather(*feed.stop(), return_exceptions=True)


async def test_what_the_log_no_longer_holds_comes_out_of_history(front: Front, counted: Counted) -> None:
    task_id = await finished(front, steps=5)
    whole = await counted.durable(task_id)
    async with small_feed(front, task_id, most=3) as feed, asyncio.timeout(WITHIN):
        seen = [event async for event in Reader(feed, (0, 0, 0)).events()]
        assert (feed.log.end, feed.log.first) == (len(whole), len(whole) - 3)
        again = [event async for event in Reader(feed, feed.place(whole[4].position)).events()]  # type: ignore[arg-type]  # durable
    assert seen == whole
    assert again == whole[5:]


async def flooded(hub: Hub, task_id: str, seen: list[Event]) -> None:
    """Watch, and take in no time 5,000 events that come while one is looked at."""
    async with aclosing((await hub.watch(task_id)).events()) as events:
        async for event in events:
            if event.position is not None:
                seen.append(event)
            if event.type == "model.started":
                hub.inject(live(task_id))
            if event.type == "model.delta":
                for number in range(5_000):
                    hub.inject(live(task_id, f"word {number}"))


async def test_a_watcher_who_is_too_slow_is_told_and_loses_nothing_durable(front: Front, counted: Counted) -> None:
    pace = Paced(2)
    seen: list[Event] = []
    async with front.worker(pace, front.app.toolset.get("calculator")):
        task_id = await front.submit()
        with pytest.raises(WatchInterrupted, match="nothing durable is lost"):
            await asyncio.wait_for(flooded(counted.hub, task_id, seen), WITHIN)
        for _ in range(3):
            pace.allowed.release()
        assert seen[-1].position is not None
        seen += await counted.durable(task_id, seen[-1].position.encode(task_id))
        assert seen == await counted.durable(task_id)


async def test_live_events_reach_those_who_watch_now_and_nobody_later(front: Front, counted: Counted) -> None:
    pace = Paced(0)
    async with front.worker(pace):
        task_id = await front.submit()
        other = await front.submit()
        found: list[str] = []
        async with asyncio.timeout(WITHIN), aclosing((await counted.hub.watch(task_id)).events()) as events:
            async for event in events:
                found.append(event.type)
                if event.type == "model.started":
                    assert counted.hub.watched == {task_id}
                    counted.hub.inject(live(other))
                    counted.hub.inject(live(task_id))
                if event.type == "model.delta":
                    late = asyncio.create_task(counted.durable(task_id))
                    pace.allowed.release()
                    pace.allowed.release()
        everything = [event.type for event in await late]
    assert found[found.index("model.started") :][:3] == ["model.started", "model.delta", "model.completed"]
    assert everything == [kind for kind in found if kind != "model.delta"]


async def test_a_task_that_was_erased_meanwhile_ends_the_stream(front: Front, counted: Counted) -> None:
    task_id = await front.submit()
    watch = await counted.hub.watch(task_id)
    await erase(front, task_id)

    async def status() -> int:
        return (await front.http.get(f"/api/v1/tasks/{task_id}")).status_code

    await eventually(status, lambda found: found == 404)
    async with aclosing(watch.events()) as events:
        with pytest.raises(WatchInterrupted, match="doesn't know the task"):
            await asyncio.wait_for(anext(events), WITHIN)


async def erase(front: Front, task_id: str) -> None:
    """Delete a task from Temporal."""
    await front.temporal.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=front.temporal.namespace, workflow_execution=WorkflowExecution(workflow_id=task_id)
        )
    )
