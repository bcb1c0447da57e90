"""The gRPC API on a free port, with a client that reads its responses and errors."""

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
from tests.integration.api.conftest import WITHIN, ApiHarness

if TYPE_CHECKING:
    from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceAsyncStub  # only the types have it


@dataclass(frozen=True)
class Failure:
    """A status with its details."""

    code: grpc.StatusCode
    message: str
    reason: str
    fields: dict[str, str]
    retry_seconds: float


@dataclass(frozen=True)
class GrpcHarness:
    """The API over gRPC, with its services and a client."""

    address: str
    channel: aio.Channel
    stub: TaskServiceAsyncStub
    services: ApiServices
    server: GrpcServer

    async def submit(self, text: str = "Hello", **fields: Any) -> str:
        """Create a task; return its id."""
        response = await self.stub.CreateTask(request(text, **fields), timeout=WITHIN)
        return response.task.id

    async def task(self, task_id: str, wait: float = 0) -> tasks_pb2.Task:
        """Show a task."""
        get_task = tasks_pb2.GetTaskRequest(task_id=task_id)
        get_task.wait.FromMilliseconds(int(wait * 1000))
        return (await self.stub.GetTask(get_task, timeout=2 * WITHIN)).task

    async def all(self, task_id: str, after: str = "") -> list[tasks_pb2.Event]:
        """Read a task's events to the end of the stream."""
        watch_task = tasks_pb2.WatchTaskRequest(task_id=task_id, after=after)
        return [response.event async for response in self.stub.WatchTask(watch_task, timeout=WITHIN)]


def request(text: str = "Hello", **fields: Any) -> tasks_pb2.CreateTaskRequest:
    """Return a request for a task of ``assistant``; ``fields`` change it."""
    values = {"input": tasks_pb2.Input(text=text), **fields}
    if "agent_spec" not in values:
        values.setdefault("agent", "assistant")
    return tasks_pb2.CreateTaskRequest(**values)


def as_rest(event: tasks_pb2.Event) -> dict[str, Any]:
    """Return an event in REST's format, without its time."""
    step = {"step": event.step} if event.HasField("step") else {}
    return {"type": event.type, "task_id": event.task_id, **step, **MessageToDict(event.data)}


async def failure(call: Awaitable[object]) -> Failure:
    """Return how a call failed."""
    with pytest.raises(aio.AioRpcError) as raised:
        await call
    error = raised.value
    (details,) = (value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin")
    assert isinstance(details, bytes)
    status = Status.FromString(details)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    info, bad_request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in status.details:
        assert any(detail.Unpack(message) for message in (info, bad_request, retry))
    assert info.domain == "opspawn"
    fields = {violation.field: violation.description for violation in bad_request.field_violations}
    return Failure(error.code(), status.message, info.reason, fields, retry.retry_delay.ToTimedelta().total_seconds())


@asynccontextmanager
async def serve_grpc(
    harness: ApiHarness, client: Client | None = None, *, max_connections: int = 100
) -> AsyncIterator[GrpcHarness]:
    """Serve the API of a harness over gRPC."""
    app = create_app(harness.settings, harness.catalog, client=client or harness.temporal, stopping=asyncio.Event())
    async with app.router.lifespan_context(app):
        services = app_services(app)
        server = GrpcServer(
            services, max_request_bytes=harness.settings.max_input_bytes, max_connections=max_connections
        )
        address = f"127.0.0.1:{await server.start('127.0.0.1', 0)}"
        try:
            async with aio.insecure_channel(address) as channel:
                yield GrpcHarness(address, channel, TaskServiceStub(channel), services, server)
        finally:
            services.stopping.set()
            await asyncio.wait_for(server.stop(1), WITHIN)
