"""The gRPC server: what a generic client finds there, its health, and ``python -m api``."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc import aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceStub
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually, settings_for
from tests.integration.api.grpc_harness import serve_grpc
from tests.integration.api.test_api_server import address_of, process, unused_port

NAME = "opspawn.v1.TaskService"


class GenericClient:
    """A client with nothing but an address, and JSON: like ``grpcurl``."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self._database)

    def services(self) -> list[str]:
        return sorted(self._database.get_services())

    def call(self, name: str, **fields: Any) -> list[dict[str, Any]]:
        method: MethodDescriptor = self._pool.FindServiceByName(NAME).FindMethodByName(name)
        request = json_format.ParseDict(fields, GetMessageClass(method.input_type)())
        read = GetMessageClass(method.output_type).FromString
        kind: Any = self._channel.unary_stream if method.server_streaming else self._channel.unary_unary
        call = kind(f"/{NAME}/{name}", request_serializer=type(request).SerializeToString, response_deserializer=read)
        response = call(request, timeout=WITHIN)
        responses = list(response) if method.server_streaming else [response]
        return [json_format.MessageToDict(message, preserving_proto_field_name=True) for message in responses]


def by_reflection(address: str) -> tuple[list[str], dict[str, Any], list[dict[str, Any]]]:
    with grpc.insecure_channel(address) as channel:
        client = GenericClient(channel)
        (created,) = client.call("CreateTask", agent="assistant", input={"text": "Hello"}, limits={"max_steps": 2})
        events = client.call("WatchTask", task_id=created["task"]["id"])
        return client.services(), created, events


async def test_a_generic_client_lists_services_starts_a_task_and_watches_it(harness: ApiHarness) -> None:
    async with harness.worker(["the answer"]), serve_grpc(harness) as api:
        services, created, responses = await asyncio.to_thread(by_reflection, api.address)
    assert services == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "opspawn.v1.ConversationService",
        NAME,
    ]
    assert created["task"]["status"] == "TASK_STATUS_QUEUED"
    types = [response["event"]["type"] for response in responses]
    assert (types[0], types[-1]) == ("task.status", "task.completed")
    assert responses[-1]["event"]["data"]["output"] == "the answer"


async def test_health_is_readiness_for_the_services_and_liveness_for_the_process(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        health: Any = HealthStub(api.channel)

        async def status(service: str = "") -> int:
            response: HealthCheckResponse = await health.Check(HealthCheckRequest(service=service))
            return response.status

        assert await status() == await status(NAME) == HealthCheckResponse.NOT_SERVING
        assert await status("liveness") == HealthCheckResponse.SERVING
        async with harness.worker([]):
            await eventually(status, lambda current: current == HealthCheckResponse.SERVING)
            assert await status(NAME) == HealthCheckResponse.SERVING
        with pytest.raises(aio.AioRpcError, match="no service 'nobody'") as raised:
            await status("nobody")
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_watcher_of_health_sees_it_change_and_the_server_stop(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        health: Any = HealthStub(api.channel)
        call = health.Watch(HealthCheckRequest(), timeout=2 * WITHIN)
        assert (await call.read()).status == HealthCheckResponse.NOT_SERVING
        async with harness.worker([]):
            assert (await call.read()).status == HealthCheckResponse.SERVING
            api.services.stopping.set()
            assert (await call.read()).status == HealthCheckResponse.NOT_SERVING
            assert await call.read() is aio.EOF


async def test_the_process_serves_both_and_stops_at_once_with_0(tmp_path: Path, temporal_port: int) -> None:
    port = unused_port()
    async with process(settings_for(tmp_path, temporal_port), "--port", "0", "--grpc-port", str(port)) as started:
        await address_of(started)
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = TaskServiceStub(channel)
            request = tasks_pb2.CreateTaskRequest(agent="assistant", input=tasks_pb2.Input(text="Hi"))
            task = (await stub.CreateTask(request, wait_for_ready=True, timeout=WITHIN)).task
            call = stub.WatchTask(tasks_pb2.WatchTaskRequest(task_id=task.id), timeout=60)
            await call.read()
            signalled = time.monotonic()
            started.send_signal(signal.SIGTERM)
            with pytest.raises(aio.AioRpcError, match="The server stops"):
                await asyncio.wait_for(call.read(), WITHIN)
            assert await asyncio.wait_for(started.wait(), WITHIN) == 0
            assert time.monotonic() - signalled < 5


async def test_a_configured_port_in_use_is_named(tmp_path: Path, temporal_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ("--port", "0", "--grpc-port", str(port))
        async with process(settings_for(tmp_path, temporal_port), *options) as started:
            assert started.stderr is not None
            stderr = (await asyncio.wait_for(started.stderr.read(), WITHIN)).decode()
            assert await started.wait() == 2
    assert stderr.count("\n") == 1
    assert re.search(rf"Port {port} .* in use.* --grpc-port", stderr)


async def test_a_default_port_in_use_starts_without_grpc(tmp_path: Path, temporal_port: int) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # so that another suite may hold it, too
        with suppress(OSError):  # somebody has it for good, which is as well
            taken.bind(("127.0.0.1", 50051))
            taken.listen()
        async with process(settings_for(tmp_path, temporal_port), "--port", "0") as started:
            assert started.stderr is not None
            lines = [(await asyncio.wait_for(started.stderr.readline(), WITHIN)).decode() for _ in range(2)]
    assert re.search(r"No gRPC here. Port 50051 .* in use", lines[0])
    assert "http://" in lines[1]


async def test_connections_over_the_limit_are_unavailable_until_others_close(harness: ApiHarness) -> None:
    request = tasks_pb2.ListTasksRequest()
    own = [("grpc.use_local_subchannel_pool", 1)]  # otherwise channels to one address share a connection
    async with serve_grpc(harness, max_connections=1) as api, aio.insecure_channel(api.address, options=own) as other:
        await api.stub.ListTasks(request, timeout=WITHIN)
        with pytest.raises(aio.AioRpcError) as refused:
            await TaskServiceStub(other).ListTasks(request, timeout=WITHIN)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        await api.channel.close()
        await TaskServiceStub(other).ListTasks(request, timeout=WITHIN, wait_for_ready=True)
