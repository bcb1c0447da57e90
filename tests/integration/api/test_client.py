"""The Python client against the API over real sockets: tasks, events, and broken connections."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agentkit.client import (
    ApiUnreachable,
    ConnectionLost,
    ConnectionRestored,
    OpspawnClient,
    RequestRefused,
    Task,
    TaskCompleted,
    TaskEvent,
    TaskUpdate,
)
from agentkit.messages import TextPart
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.flaky_network import flaky_network
from tests.integration.api.test_api_events import PacedModel, completed_task
from tests.integration.api.watching import Served, served


def port_of(api: Served) -> int:
    return int(api.url.rpartition(":")[2])


def position_and_type(event: TaskEvent) -> tuple[str | None, str]:
    return event.position, event.type


@asynccontextmanager
async def client_of(url: str, reconnect_timeout: float = WITHIN) -> AsyncIterator[OpspawnClient]:
    async with asyncio.timeout(3 * WITHIN), OpspawnClient(url, reconnect_timeout=reconnect_timeout) as client:
        yield client


async def test_a_task_is_created_awaited_and_listed(harness: ApiHarness) -> None:
    tag = uuid.uuid4().hex
    async with served(harness) as api, client_of(api.url) as client, harness.worker(["Four."]):
        created = await client.create(
            *("assistant", [TextPart(text="Two and two?")]), limits={"max_steps": 3}, tags=[tag], metadata={"a": "b"}
        )
        ended = await client.wait(created.id)
        transcript = await client.transcript(created.id)
        agents = await client.agents()

        async def completed_tasks() -> tuple[Task, ...]:
            return (await client.tasks(status=["completed"], agent="assistant", tag=tag)).tasks

        (listed,) = await eventually(completed_tasks, bool)
    assert (created.ended, ended.ended, ended.output) == (False, True, "Four.")
    assert (ended.tags, ended.metadata, ended.input) == ((tag,), {"a": "b"}, "Two and two?")
    assert ended.usage.model_calls == 1
    assert [message.role for message in transcript.messages] == ["user", "assistant"]
    assert [agent.name for agent in agents.agents] == ["assistant"]
    assert listed.id == created.id


async def test_the_same_idempotency_key_returns_the_first_task(harness: ApiHarness) -> None:
    key = uuid.uuid4().hex
    async with served(harness) as api, client_of(api.url) as client:
        first = await client.create("assistant", "Hello", idempotency_key=key)
        assert (await client.create("assistant", "Hello", idempotency_key=key)).id == first.id
        assert (await client.create("assistant", "Hello")).id != first.id


async def test_a_cancelled_task_ends_its_events(harness: ApiHarness) -> None:
    async with served(harness) as api, client_of(api.url) as client, harness.worker(PacedModel(1)):
        task = await client.create("assistant", "Hello")
        types = []
        async for event in client.events(task.id):
            types.append(event.type)
            if event.type == "model.started":
                await client.cancel(task.id)
    assert types[-1] == "task.cancelled"


async def test_events_come_once_and_in_order_when_each_connection_breaks(harness: ApiHarness) -> None:
    steps = 16
    pace = PacedModel(steps)
    toolset = harness.catalog.toolset.get("calculator")
    async with (
        served(harness) as api,
        harness.worker(pace, toolset),
        flaky_network(port_of(api), max_bytes=4000) as broken,
        client_of(broken.url) as client,
        client_of(api.url) as direct,
    ):
        task = await direct.create("assistant", "Go", limits={"max_steps": steps + 1})
        received = []
        async for event in client.events(task.id):
            received.append(event)
            if event.type == "model.started":
                pace.allowed.release()
        expected = [event async for event in direct.events(task.id)]
    assert broken.cuts > 5
    assert [position_and_type(event) for event in received] == [position_and_type(event) for event in expected]
    assert isinstance(received[-1], TaskCompleted)
    assert len(received) > 4 * steps


async def test_a_lost_connection_is_reported_and_no_durable_event_is_missing(harness: ApiHarness) -> None:
    pace = PacedModel(1)
    toolset = harness.catalog.toolset.get("calculator")
    async with (
        served(harness) as api,
        harness.worker(pace, toolset),
        flaky_network(port_of(api)) as broken,
        client_of(broken.url) as client,
    ):
        task = await client.create("assistant", "Go")
        updates: list[TaskUpdate] = []
        async for update in client.watch(task.id):
            updates.append(update)
            if isinstance(update, TaskEvent) and update.type == "model.started" and update.step == 1:
                await broken.down()
                pace.allowed.release()
                pace.allowed.release()
            if isinstance(update, ConnectionLost):
                await harness.task(task.id, wait=WITHIN)
                await broken.up()
        expected = [event async for event in client.events(task.id)]
    breaks = [update for update in updates if isinstance(update, ConnectionLost | ConnectionRestored)]
    assert [type(each) for each in breaks] == [ConnectionLost, ConnectionRestored]
    assert [position_and_type(each) for each in updates if isinstance(each, TaskEvent)] == [
        position_and_type(event) for event in expected
    ]


async def test_events_resume_after_a_position_and_are_empty_after_the_last(harness: ApiHarness) -> None:
    task_id = await completed_task(harness)
    async with served(harness) as api, client_of(api.url) as client:
        expected = [event async for event in client.events(task_id)]
        rest = [event async for event in client.events(task_id, after=expected[4].position)]
        none = [event async for event in client.events(task_id, after=expected[-1].position)]
    assert ([position_and_type(event) for event in rest], none) == (
        [position_and_type(event) for event in expected[5:]],
        [],
    )


async def test_refused_requests_raise_the_reason_of_the_api(harness: ApiHarness) -> None:
    task_id = await completed_task(harness)
    async with served(harness) as api, client_of(api.url) as client:
        with pytest.raises(RequestRefused, match="nope") as unknown:
            await anext(client.events("nope"))
        with pytest.raises(RequestRefused, match="isn't a position"):
            await anext(client.events(task_id, after="x"))
        with pytest.raises(RequestRefused) as ended:
            await client.cancel(task_id)
        with pytest.raises(RequestRefused, match="no-such-agent"):
            await client.create("no-such-agent", "Hello")
    assert (unknown.value.status, ended.value.status) == (404, 409)


async def test_calls_give_up_after_the_reconnect_timeout(harness: ApiHarness) -> None:
    async with served(harness) as api, flaky_network(port_of(api)) as broken:
        task_id = await harness.submit()
        await broken.down()
        async with client_of(broken.url, reconnect_timeout=0.3) as client:
            with pytest.raises(ApiUnreachable, match="Can't reach the API"):
                _ = [event async for event in client.events(task_id)]
            with pytest.raises(ApiUnreachable, match="Can't reach the API"):
                await client.wait(task_id)
        await broken.up()
