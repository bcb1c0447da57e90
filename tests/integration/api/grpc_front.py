"""The gRPC front end on a free port, and a client that reads its answers and errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import aio
from temporalio.client import Client

from api.app import create_app
from api.grpc.grpc_server import GrpcServer
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceStub
from api.services import ApiServices, app_services
from tests.integration.api.conftest import WITHIN, Front

if TYPE_CHECKING:
    from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceAsyncStub  # only the types know it


@dataclass(frozen=True)
class Failure:
    """A status with its details."""

    code: grpc.StatusCode
    message: str
    reason: str
    fields: dict[str, str]
    retry_seconds: float


@dataclass(frozen=True)
class Rpc:
    """The front end over gRPC."""

    address: str
    channel: aio.Channel
    stub: TaskServiceAsyncStub
    services: ApiServices
    server: GrpcServer

    async def submit(self, text: str = "Hello", **fields: Any) -> str:
        """Start a task; return its id."""
        answer = await self.stub.CreateTask(request(text, **fields), timeout=WITHIN)
        return answer.task.id

    async def task(self, task_id: str, wait: float = 0) -> tasks_pb2.Task:
        """Show a task."""
        asked = tasks_pb2.GetTaskRequest(task_id=task_id)
        asked.wait.FromMilliseconds(int(wait * 1000))
        return (await self.stub.GetTask(asked, timeout=2 * WITHIN)).task

    async def all(self, task_id: str, after: str = "") -> list[tasks_pb2.Event]:
        """Read a task's events to the end of the stream."""
        asked = tasks_pb2.WatchTaskRequest(task_id=task_id, after=after)
        return [answer.event async for answer in self.stub.WatchTask(asked, timeout=WITHIN)]


def request(text: str = "Hello", **fields: Any) -> tasks_pb2.CreateTaskRequest:
    """Return a request for a task; fields replace what a small one has."""
    given = {"input": tasks_pb2.Input(text=text), **fields}
    if "agent_spec" not in given:
        given.setdefault("agent", "assistant")
    return tasks_pb2.CreateTaskRequest(**given)


def as_rest(event: tasks_pb2.Event) -> dict[str, Any]:
    """Return an event's data as REST has it, without the clock."""
    step = {"step": event.step} if event.HasField("step") else {}
    return {"type": event.type, "task_id": event.task_id, **step, **MessageToDict(event.data)}


async def failure(call: Awaitable[object]) -> Failure:
    """Return how a call failed."""
    with pytest.raises(aio.AioRpcError) as raised:
        await call
    error = raised.value
    (found,) = (value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin")
    assert isinstance(found, bytes)
    status = Status.FromString(found)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in status.details:
        assert any(detail.Unpack(one) for one in (info, bad, retry))
    assert info.domain == "opspawn"
    fields = {one.field: one.description for one in bad.field_violations}
    return Failure(error.code(), status.message, info.reason, fields, retry.retry_delay.ToTimedelta().total_seconds())


@asynccontextmanager
async def rpc(front: Front, client: Client | None = None) -> AsyncIterator[Rpc]:
    """Serve the same front end over gRPC."""
    app = create_app(front.settings, front.app, client=client or front.temporal, stopping=asyncio.Event())
    async with app.router.lifespan_context(app):
        services = app_services(app)
        server = GrpcServer(services, max_request_bytes=front.settings.max_input_bytes)
        address = f"127.0.0.1:{await server.start('127.0.0.1', 0)}"
        try:
            async with aio.insecure_channel(address) as channel:
                yield Rpc(address, channel, TaskServiceStub(channel), services, server)
        finally:
            services.stopping.set()
            await asyncio.wait_for(server.stop(1), WITHIN)
