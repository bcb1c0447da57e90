"""The servicer over a real channel, without Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from grpc import StatusCode, aio

from activities.settings import Settings
from api.events.event import Event
from api.grpc.grpc_server import GrpcServer
from api.grpc.task_servicer import TaskServicer
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceStub
from api.services import app_services

if TYPE_CHECKING:
    from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceAsyncStub  # only the types have it

CREATE = tasks_pb2.CreateTaskRequest(agent="assistant", input=tasks_pb2.Input(text="Hello"))


@pytest.fixture
async def stub(app: FastAPI, settings: Settings) -> AsyncIterator[TaskServiceAsyncStub]:
    async with app.router.lifespan_context(app):
        server = GrpcServer(app_services(app), max_request_bytes=settings.max_input_bytes, max_connections=100)
        port = await server.start("127.0.0.1", 0)
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield TaskServiceStub(channel)
        await server.stop(0)


async def test_every_call_needs_temporal(stub: TaskServiceAsyncStub, settings: Settings) -> None:
    calls = (
        stub.CreateTask(CREATE),
        stub.GetTask(tasks_pb2.GetTaskRequest(task_id="x")),
        stub.ListTasks(tasks_pb2.ListTasksRequest()),
        stub.CancelTask(tasks_pb2.CancelTaskRequest(task_id="x")),
    )
    for call in calls:
        with pytest.raises(aio.AioRpcError, match=f"127.0.0.1:{settings.temporal_port}") as raised:
            await call
        assert raised.value.code() is StatusCode.UNAVAILABLE


async def test_a_wrong_field_is_refused_without_temporal(stub: TaskServiceAsyncStub) -> None:
    request = tasks_pb2.CreateTaskRequest(agent="asistant", input=tasks_pb2.Input(text="Hello"))
    with pytest.raises(aio.AioRpcError, match="assistant") as raised:
        await stub.CreateTask(request)
    assert raised.value.code() is StatusCode.INVALID_ARGUMENT


async def test_an_answer_without_a_decision_is_refused(stub: TaskServiceAsyncStub) -> None:
    with pytest.raises(aio.AioRpcError, match="decision") as raised:
        await stub.AnswerInput(tasks_pb2.AnswerInputRequest(task_id="x", input_request_id="input_1"))
    assert raised.value.code() is StatusCode.INVALID_ARGUMENT


@dataclass
class Watch:
    """A watch of a hundred events, by a client whose connection keeps what is written."""

    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: None = None
    written: list[tasks_pb2.WatchTaskResponse] = field(default_factory=list)

    @property
    def hub(self) -> Watch:
        return self

    async def watch(self, task_id: str, after: str | None) -> Watch:
        return self

    async def events(self) -> AsyncGenerator[Event, None]:
        for number in range(100):
            await asyncio.sleep(0)
            yield Event("model.delta", "t", datetime.now(UTC), {"text": str(number)}, 1)

    async def write(self, message: tasks_pb2.WatchTaskResponse) -> None:
        self.written.append(message)


async def test_an_event_needs_no_task_of_its_own() -> None:
    created = 0
    loop = asyncio.get_running_loop()

    def counted(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        nonlocal created
        created += 1
        return asyncio.Task(coro, loop=loop, **options)

    watch: Any = Watch()
    loop.set_task_factory(counted)
    try:
        await TaskServicer(watch).WatchTask(tasks_pb2.WatchTaskRequest(task_id="t"), watch)
    finally:
        loop.set_task_factory(None)
    assert [each.event.data["text"] for each in watch.written] == [str(number) for number in range(100)]
    assert created == 1, "one waits for the stop of the server, and measures how slow the client is"
