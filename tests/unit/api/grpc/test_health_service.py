"""Health over a real channel, without Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from grpc import StatusCode, aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from activities.settings import Settings
from api.grpc.grpc_server import TASK_SERVICE, GrpcServer
from api.grpc.health_service import LIVENESS
from api.services import app_services


@pytest.fixture
async def health(app: FastAPI, settings: Settings) -> AsyncIterator[Any]:
    async with app.router.lifespan_context(app):
        server = GrpcServer(app_services(app), max_request_bytes=settings.max_input_bytes, max_connections=100)
        port = await server.start("127.0.0.1", 0)
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield HealthStub(channel)
        await server.stop(0)


@pytest.mark.parametrize(
    ("service", "status"),
    [
        ("", HealthCheckResponse.NOT_SERVING),
        (TASK_SERVICE, HealthCheckResponse.NOT_SERVING),
        (LIVENESS, HealthCheckResponse.SERVING),
    ],
)
async def test_without_temporal_the_process_is_alive_but_not_ready(health: Any, service: str, status: int) -> None:
    assert (await health.Check(HealthCheckRequest(service=service))).status == status


async def test_an_unknown_service_is_not_found_with_the_known_ones(health: Any) -> None:
    with pytest.raises(aio.AioRpcError, match=TASK_SERVICE) as raised:
        await health.Check(HealthCheckRequest(service="nobody"))
    assert raised.value.code() is StatusCode.NOT_FOUND


async def test_a_watcher_gets_not_serving_when_the_server_stops(health: Any, app: FastAPI) -> None:
    call = health.Watch(HealthCheckRequest(service=LIVENESS), timeout=20)
    assert (await call.read()).status == HealthCheckResponse.SERVING
    app_services(app).stopping.set()
    assert (await call.read()).status == HealthCheckResponse.NOT_SERVING
    assert await call.read() is aio.EOF
