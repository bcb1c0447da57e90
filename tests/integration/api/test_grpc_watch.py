"""Watching tasks over gRPC: the events of REST, resumed exactly, and freed when nobody is there."""

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
from tests.integration.api.conftest import WITHIN, Front, eventually
from tests.integration.api.grpc_front import Rpc, as_rest, failure, rpc
from tests.integration.api.test_api_events import Paced, finished
from tests.integration.api.test_api_show import Gate

DISCONNECTS = 50
Call = aio.UnaryStreamCall[tasks_pb2.WatchTaskRequest, tasks_pb2.WatchTaskResponse]


async def test_a_watcher_sees_the_events_of_rest_with_the_same_positions(front: Front) -> None:
    task_id = await finished(front)
    async with rpc(front) as api:
        events = await api.all(task_id)
    lines = (await front.http.get(f"/api/v1/tasks/{task_id}/events")).text.splitlines()
    positions = [line.removeprefix("id: ") for line in lines if line.startswith("id: ")]
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [event.id for event in events] == positions
    assert [event.at.ToDatetime(tzinfo=UTC) for event in events] == [datetime.fromisoformat(one["at"]) for one in told]
    assert [as_rest(event) for event in events] == [
        {key: value for key, value in one.items() if key != "at"} for one in told
    ]


async def test_every_position_resumes_exactly_after_it(front: Front) -> None:
    task_id = await finished(front)
    async with rpc(front) as api:
        whole = await api.all(task_id)
        for number, event in enumerate(whole):
            assert await api.all(task_id, event.id) == whole[number + 1 :]


async def test_a_client_that_disconnects_again_and_again_sees_each_event_once_and_in_order(front: Front) -> None:
    chance, pace, seen = random.Random(4), Paced(steps=10), list[tasks_pb2.Event]()
    async with front.worker(pace, front.app.toolset.get("calculator")), rpc(front) as api:
        task_id = await api.submit(limits=tasks_pb2.LimitsChange(max_steps=11))
        for _ in range(DISCONNECTS):
            pace.allowed.release()
            after = seen[-1].id if seen else ""
            call = api.stub.WatchTask(tasks_pb2.WatchTaskRequest(task_id=task_id, after=after), timeout=WITHIN)
            for _ in range(chance.randrange(3)):
                answer = await call.read()
                if isinstance(answer, tasks_pb2.WatchTaskResponse) and answer.event.id:
                    seen.append(answer.event)
            call.cancel()
        seen += await api.all(task_id, seen[-1].id)
        assert seen == await api.all(task_id)
    assert seen[-1].type == "task.completed"


async def test_what_is_told_live_only_has_no_id(front: Front) -> None:
    gate = Gate()
    async with front.worker(gate), rpc(front) as api:
        task_id = await api.submit()
        watching = asyncio.create_task(api.all(task_id))
        await asyncio.wait_for(gate.asked.wait(), WITHIN)
        await eventually(watched(api), lambda ids: task_id in ids)
        api.services.hub.inject(Event("model.delta", task_id, datetime.now(UTC), {"text": "Hel"}, step=1))
        gate.opened.set()
        events = await asyncio.wait_for(watching, WITHIN)
    (live,) = (event for event in events if not event.id)
    assert (live.type, live.step, live.data["text"]) == ("model.delta", 1, "Hel")


@pytest.mark.parametrize("how", ["cancelled", "deadline", "disconnected"])
async def test_a_watcher_that_goes_away_frees_the_watch(front: Front, how: str) -> None:
    async with rpc(front) as api:
        task_id = await api.submit()
        own = aio.insecure_channel(api.address, options=[("grpc.use_local_subchannel_pool", 1)])
        seconds = 1 if how == "deadline" else WITHIN
        call = TaskServiceStub(own).WatchTask(tasks_pb2.WatchTaskRequest(task_id=task_id), timeout=seconds)
        await call.read()
        assert task_id in api.services.hub.watched
        if how == "cancelled":
            call.cancel()
        elif how == "disconnected":
            await own.close()
        await eventually(watched(api), lambda ids: not ids)
        await own.close()


async def test_a_server_that_stops_says_so_and_doesn_t_wait(front: Front) -> None:
    async with rpc(front) as api:
        task_id = await api.submit()
        watching = asyncio.create_task(api.all(task_id))
        await eventually(watched(api), lambda ids: task_id in ids)
        api.services.stopping.set()
        async with asyncio.timeout(5):
            found = await failure(watching)
        assert not api.services.hub.watched
    assert (found.code, found.reason) == (StatusCode.UNAVAILABLE, "WATCH_INTERRUPTED")
    assert "The server stops" in found.message


async def test_what_is_no_position_is_refused(front: Front) -> None:
    task_id = await finished(front, steps=1)
    async with rpc(front) as api:
        other = await api.submit()
        position = (await api.all(task_id))[0].id
        for found in (await failure(api.all(task_id, "x")), await failure(api.all(other, position))):
            assert (found.code, found.reason) == (StatusCode.INVALID_ARGUMENT, "POSITION_INVALID")
            assert found.fields.keys() == {"after"}


@pytest.fixture
async def impatient(front: Front) -> AsyncIterator[Rpc]:
    """A server that waits half a second for a watcher to take an event."""
    async with rpc(front) as api:
        server = aio.server()
        add_TaskServiceServicer_to_server(TaskServicer(api.services, slow_watcher_timeout_s=0.5), server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        async with aio.insecure_channel(address) as channel:
            yield Rpc(address, channel, TaskServiceStub(channel), api.services, api.server)
        await server.stop(1)


async def test_a_watcher_that_takes_nothing_is_cut_off(front: Front, impatient: Rpc) -> None:
    task_id = await impatient.submit()
    call = impatient.stub.WatchTask(tasks_pb2.WatchTaskRequest(task_id=task_id), timeout=WITHIN)
    await call.read()
    speech = Event("model.delta", task_id, datetime.now(UTC), {"text": "x" * 100_000})

    async def tell() -> frozenset[str]:
        impatient.services.hub.inject(speech)
        return impatient.services.hub.watched

    await eventually(tell, lambda ids: not ids)
    found = await failure(_drained(call))
    assert (found.code, found.reason) == (StatusCode.UNAVAILABLE, "WATCH_INTERRUPTED")
    assert "took nothing" in found.message


async def _drained(call: Call) -> None:
    while await call.read() is not aio.EOF:
        pass


def watched(api: Rpc) -> Callable[[], Awaitable[frozenset[str]]]:
    async def look() -> frozenset[str]:
        return api.services.hub.watched

    return look
