"""Watching tasks over gRPC: the events of REST, resumed exactly, and followed only while they are watched."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
from grpc import StatusCode, aio

from api.events.event import Event
from api.grpc.task_servicer import TaskServicer
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceStub, add_TaskServiceServicer_to_server
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.gated_model import GatedModel
from tests.integration.api.grpc_harness import GrpcHarness, as_rest, failure, serve_grpc
from tests.integration.api.test_api_events import PacedModel, completed_task

DISCONNECTS = 50
Call = aio.UnaryStreamCall[tasks_pb2.WatchTaskRequest, tasks_pb2.WatchTaskResponse]


async def test_a_watcher_gets_the_events_of_rest_with_the_same_positions(harness: ApiHarness) -> None:
    task_id = await completed_task(harness)
    async with serve_grpc(harness) as api:
        events = await api.all(task_id)
    lines = (await harness.http.get(f"/api/v1/tasks/{task_id}/events")).text.splitlines()
    positions = [line.removeprefix("id: ") for line in lines if line.startswith("id: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [event.id for event in events] == positions
    times = [datetime.fromisoformat(each.pop("at")) for each in data]
    assert [event.at.ToDatetime(tzinfo=UTC) for event in events] == times
    assert [as_rest(event) for event in events] == data


async def test_every_position_resumes_exactly_after_it(harness: ApiHarness) -> None:
    task_id = await completed_task(harness)
    async with serve_grpc(harness) as api:
        events = await api.all(task_id)
        for number, event in enumerate(events):
            assert await api.all(task_id, event.id) == events[number + 1 :]


async def test_a_client_that_disconnects_again_and_again_sees_each_event_once_and_in_order(harness: ApiHarness) -> None:
    rng, model, seen = random.Random(4), PacedModel(steps=10), list[tasks_pb2.Event]()
    async with harness.worker(model, harness.catalog.toolset.get("calculator")), serve_grpc(harness) as api:
        task_id = await api.submit(limits=tasks_pb2.LimitsChange(max_steps=11))
        for _ in range(DISCONNECTS):
            model.allowed.release()
            after = seen[-1].id if seen else ""
            call = api.stub.WatchTask(tasks_pb2.WatchTaskRequest(task_id=task_id, after=after), timeout=WITHIN)
            for _ in range(rng.randrange(3)):
                response = await call.read()
                if isinstance(response, tasks_pb2.WatchTaskResponse) and response.event.id:
                    seen.append(response.event)
            call.cancel()
        seen += await api.all(task_id, seen[-1].id)
        assert seen == await api.all(task_id)
    assert seen[-1].type == "task.completed"


async def test_a_live_event_has_no_id(harness: ApiHarness) -> None:
    gate = GatedModel()
    async with harness.worker(gate), serve_grpc(harness) as api:
        task_id = await api.submit()
        watching = asyncio.create_task(api.all(task_id))
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
        await eventually(watched(api), lambda ids: task_id in ids)
        api.services.hub.publish(Event("model.delta", task_id, datetime.now(UTC), {"text": "Hel"}, step=1))
        gate.released.set()
        events = await asyncio.wait_for(watching, WITHIN)
    (live,) = (event for event in events if not event.id)
    assert (live.type, live.step, live.data["text"]) == ("model.delta", 1, "Hel")


@pytest.mark.parametrize("ending", ["cancelled", "deadline", "disconnected"])
async def test_the_task_is_followed_no_longer_when_its_last_watcher_is_gone(harness: ApiHarness, ending: str) -> None:
    async with serve_grpc(harness) as api:
        task_id = await api.submit()
        own = aio.insecure_channel(api.address, options=[("grpc.use_local_subchannel_pool", 1)])
        seconds = 1 if ending == "deadline" else WITHIN
        call = TaskServiceStub(own).WatchTask(tasks_pb2.WatchTaskRequest(task_id=task_id), timeout=seconds)
        await call.read()
        assert task_id in api.services.hub.watched
        if ending == "cancelled":
            call.cancel()
        elif ending == "disconnected":
            await own.close()
        await eventually(watched(api), lambda ids: not ids)
        await own.close()


async def test_a_stopping_server_interrupts_watchers(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        task_id = await api.submit()
        watching = asyncio.create_task(api.all(task_id))
        await eventually(watched(api), lambda ids: task_id in ids)
        api.services.stopping.set()
        async with asyncio.timeout(5):
            interrupted = await failure(watching)
        assert not api.services.hub.watched
    assert (interrupted.code, interrupted.reason) == (StatusCode.UNAVAILABLE, "WATCH_INTERRUPTED")
    assert "The server stops" in interrupted.message


async def test_an_invalid_position_is_refused(harness: ApiHarness) -> None:
    task_id = await completed_task(harness, steps=1)
    async with serve_grpc(harness) as api:
        other = await api.submit()
        position = (await api.all(task_id))[0].id
        for refused in (await failure(api.all(task_id, "x")), await failure(api.all(other, position))):
            assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "POSITION_INVALID")
            assert refused.fields.keys() == {"after"}


@pytest.fixture
async def strict_api(harness: ApiHarness) -> AsyncIterator[GrpcHarness]:
    """A server that waits half a second for a watcher to accept an event."""
    async with serve_grpc(harness) as api:
        server = aio.server()
        add_TaskServiceServicer_to_server(TaskServicer(api.services, slow_watcher_timeout_s=0.5), server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        async with aio.insecure_channel(address) as channel:
            yield GrpcHarness(address, channel, TaskServiceStub(channel), api.services, api.server)
        await server.stop(1)


async def test_a_watcher_that_accepts_nothing_is_cut_off(harness: ApiHarness, strict_api: GrpcHarness) -> None:
    task_id = await strict_api.submit()
    call = strict_api.stub.WatchTask(tasks_pb2.WatchTaskRequest(task_id=task_id), timeout=WITHIN)
    await call.read()
    delta = Event("model.delta", task_id, datetime.now(UTC), {"text": "x" * 100_000})

    async def publish() -> frozenset[str]:
        strict_api.services.hub.publish(delta)
        return strict_api.services.hub.watched

    await eventually(publish, lambda ids: not ids)
    interrupted = await failure(_drained(call))
    assert (interrupted.code, interrupted.reason) == (StatusCode.UNAVAILABLE, "WATCH_INTERRUPTED")
    assert "took nothing" in interrupted.message


async def _drained(call: Call) -> None:
    while await call.read() is not aio.EOF:
        pass


def watched(api: GrpcHarness) -> Callable[[], Awaitable[frozenset[str]]]:
    async def watched_tasks() -> frozenset[str]:
        return api.services.hub.watched

    return watched_tasks
