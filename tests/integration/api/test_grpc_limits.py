"""The gRPC server bounds connections and calls, refuses what it can't decode, and counts calls for ``/metrics``."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import grpc
import pytest
from grpc import aio
from prometheus_client import generate_latest

from api.proto.opspawn.v1 import tasks_pb2
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.grpc_harness import serve_grpc

SERVICE = "opspawn.v1.TaskService"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


async def code_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as raised:
        await call
    return raised.value.code()


async def test_bytes_that_are_no_message_are_invalid_in_every_call(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        for name in ("CreateTask", "GetTask", "ListTasks", "CancelTask", "AnswerInput"):
            unary: Any = api.channel.unary_unary(f"/{SERVICE}/{name}")
            assert await code_of(unary(b"\xff\xff", timeout=WITHIN)) is grpc.StatusCode.INVALID_ARGUMENT, name
        watch: Any = api.channel.unary_stream(f"/{SERVICE}/WatchTask")
        assert await code_of(watch(b"\xff\xff", timeout=WITHIN).read()) is grpc.StatusCode.INVALID_ARGUMENT
        reflect: Any = api.channel.stream_stream(REFLECTION)
        assert await code_of(reflect(iter([b"\xff\xff"]), timeout=WITHIN).read()) is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("metadata", [[("x", "y" * 20_000)], [("x", "y")] * 1_000], ids=["long", "many"])
async def test_too_much_metadata_is_refused_and_other_calls_are_served(
    harness: ApiHarness, metadata: list[tuple[str, str]]
) -> None:
    async with serve_grpc(harness) as api:
        request = tasks_pb2.ListTasksRequest()
        call = api.stub.ListTasks(request, metadata=aio.Metadata(*metadata), timeout=WITHIN)
        assert await code_of(call) is grpc.StatusCode.RESOURCE_EXHAUSTED
        await api.stub.ListTasks(request, timeout=WITHIN)


async def test_calls_are_counted_by_method_and_code(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        task_id = await api.submit()
        assert await code_of(api.stub.GetTask(tasks_pb2.GetTaskRequest(task_id="no-task"))) is grpc.StatusCode.NOT_FOUND
        unknown: Any = api.channel.unary_unary(f"/{SERVICE}/Nothing")
        assert await code_of(unknown(b"")) is grpc.StatusCode.UNIMPLEMENTED
        watch = api.stub.WatchTask(tasks_pb2.WatchTaskRequest(task_id=task_id), timeout=WITHIN)
        await watch.read()

        async def counts() -> str:
            return generate_latest(api.services.metrics.registry).decode()

        assert "opspawn_grpc_requests_in_flight 1.0" in await counts()
        watch.cancel()
        text = await eventually(counts, lambda text: "opspawn_grpc_requests_in_flight 0.0" in text)
    prefix = "opspawn_grpc_requests_total{code="
    assert f'{prefix}"OK",method="{SERVICE}/CreateTask"}} 1.0' in text
    assert f'{prefix}"NOT_FOUND",method="{SERVICE}/GetTask"}} 1.0' in text
    assert f'{prefix}"UNIMPLEMENTED",method="other"}} 1.0' in text
    assert f'{prefix}"CANCELLED",method="{SERVICE}/WatchTask"}} 1.0' in text
    assert f'opspawn_grpc_request_seconds_count{{method="{SERVICE}/CreateTask"}} 1.0' in text


async def test_http_and_grpc_share_one_metrics_page(harness: ApiHarness) -> None:
    assert "# TYPE opspawn_grpc_requests_total counter" in (await harness.http.get("/metrics")).text


async def test_calls_and_connections_beyond_the_limit_are_refused_and_admitted_later(harness: ApiHarness) -> None:
    async with serve_grpc(harness, max_connections=2) as api:
        task_id = await api.submit()
        watch_task = tasks_pb2.WatchTaskRequest(task_id=task_id)
        watches = [api.stub.WatchTask(watch_task, timeout=WITHIN) for _ in range(2)]
        for watch in watches:
            await watch.read()
        get = tasks_pb2.GetTaskRequest(task_id=task_id)
        assert await code_of(api.stub.GetTask(get, timeout=WITHIN)) is grpc.StatusCode.RESOURCE_EXHAUSTED

        host, _, port = api.address.rpartition(":")
        _, second = await asyncio.open_connection(host, int(port))
        third, writer = await asyncio.open_connection(host, int(port))
        assert await asyncio.wait_for(third.read(), 5) == b""
        for connection in (second, writer):
            connection.transport.abort()
        for watch in watches:
            watch.cancel()

        async def admitted() -> bool:
            with suppress(aio.AioRpcError):
                return (await api.stub.GetTask(get, timeout=WITHIN)).task.id == task_id
            return False

        await eventually(admitted, bool)
