from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.settings import Settings
from activities.streaming.token_batches import ResponseId, TokenBatch
from agentkit.catalog.catalog import load_catalog
from agentkit.interfaces import ModelDelta
from api.events.event import Event
from api.events.event_hub import EventHub
from api.events.event_position import Position
from api.tasks.errors import PositionInvalid, TaskNotFound, WatchInterrupted
from api.tasks.task_service import TaskService
from tests.unit.api.events.scripted_temporal import TASK_ID, TIMEOUT_S, ScriptedTemporal


@pytest.fixture
def temporal() -> ScriptedTemporal:
    return ScriptedTemporal()


@pytest.fixture
async def hub(temporal: ScriptedTemporal, tmp_path: Path) -> AsyncIterator[EventHub]:
    settings = Settings(app_dir=tmp_path, data_dir=tmp_path / "data")
    client = temporal.client()
    hub = EventHub(client, TaskService(client, load_catalog(settings), settings), settings)
    yield hub
    await hub.aclose()


async def read(hub: EventHub, after: str | None = None) -> list[Event]:
    """Read a task's events to their end."""
    async with asyncio.timeout(TIMEOUT_S), aclosing((await hub.watch(TASK_ID, after)).events()) as events:
        return [event async for event in events]


async def test_watchers_of_a_task_share_one_long_poll_until_the_last_is_gone(
    temporal: ScriptedTemporal, hub: EventHub
) -> None:
    counts: list[tuple[str, int]] = []
    hub.on_watchers_changed(lambda task_id, watchers: counts.append((task_id, watchers)))
    reading = [asyncio.create_task(read(hub)) for _ in range(5)]
    await temporal.until(lambda: temporal.long_polls > 0 and len(counts) == 5)
    temporal.plan("a")
    await temporal.until(lambda: temporal.long_polls > 0)
    assert temporal.long_polls == 1
    assert hub.watched == {TASK_ID}
    temporal.cancel_task()
    first, *others = await asyncio.gather(*reading)
    assert first[-1].type == "task.cancelled"
    assert all(events == first for events in others)
    assert counts == [(TASK_ID, watchers) for watchers in (1, 2, 3, 4, 5, 4, 3, 2, 1, 0)]
    assert hub.watched == frozenset()


async def test_a_task_is_followed_no_longer_when_its_last_watcher_leaves(
    temporal: ScriptedTemporal, hub: EventHub
) -> None:
    reading = [asyncio.create_task(read(hub)) for _ in range(2)]
    await temporal.until(lambda: temporal.long_polls == 1)
    reading[0].cancel()
    await asyncio.wait(reading[:1])
    assert temporal.long_polls == 1
    reading[1].cancel()
    await temporal.until(lambda: temporal.long_polls == 0)
    assert hub.watched == frozenset()


async def test_a_watch_after_a_position_has_the_events_after_it(temporal: ScriptedTemporal, hub: EventHub) -> None:
    for item in "abc":
        temporal.plan(item)
    temporal.start_run()
    temporal.cancel_task()
    events = await read(hub)
    for index, event in enumerate(events):
        assert event.position is not None
        assert await read(hub, event.position.encode(TASK_ID)) == events[index + 1 :]


@pytest.mark.parametrize(
    ("run", "event_id", "message"),
    [
        pytest.param("other", 1, "no such run", id="unknown run"),
        pytest.param("newest", 100, "no such event yet", id="future"),
    ],
)
async def test_a_position_that_the_task_does_not_have_is_refused(
    temporal: ScriptedTemporal, hub: EventHub, run: str, event_id: int, message: str
) -> None:
    run_id = temporal.run_id if run == "newest" else "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"
    with pytest.raises(PositionInvalid, match=message):
        await hub.watch(TASK_ID, Position(run_id, event_id, 0).encode(TASK_ID))


async def test_an_unknown_task_can_not_be_watched(temporal: ScriptedTemporal, hub: EventHub) -> None:
    temporal.erase()
    with pytest.raises(TaskNotFound):
        await hub.watch(TASK_ID)


async def test_live_events_and_tokens_reach_the_watchers_of_their_task(
    temporal: ScriptedTemporal, hub: EventHub
) -> None:
    response = ResponseId(TASK_ID, temporal.run_id, temporal.schedule_model(), 1, 1)
    reading = asyncio.create_task(read(hub))
    await temporal.until(lambda: temporal.long_polls == 1)
    async with aclosing((await hub.watch(TASK_ID)).events()) as events:
        async with asyncio.timeout(TIMEOUT_S):
            while (await anext(events)).type != "model.started":
                pass
        for task_id in ("another", TASK_ID):
            hub.publish(Event("tool.retrying", task_id, datetime.now(UTC), {"text": "live"}, 1))
        hub.on_batch(TokenBatch(response, "start", (ModelDelta("text", "hello"),)))
        types = [(await anext(events)).type for _ in range(3)]
    assert types == ["tool.retrying", "model.reset", "model.delta"], "reset: the first delta came while it read"
    temporal.cancel_task()
    assert [event.type for event in await reading][2:4] == ["tool.retrying", "model.delta"]


async def test_closing_the_hub_interrupts_its_watchers(temporal: ScriptedTemporal, hub: EventHub) -> None:
    reading = asyncio.create_task(read(hub))
    await temporal.until(lambda: temporal.long_polls == 1)
    await hub.aclose()
    with pytest.raises(WatchInterrupted, match="The server stops"):
        await reading
    assert (hub.watched, temporal.long_polls) == (frozenset(), 0)
