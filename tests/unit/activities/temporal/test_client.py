from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc.aio import ServicerContext
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest, GetSystemInfoResponse

from activities.settings import Settings
from activities.temporal.client import connect, connect_when_ready, temporal_address


@asynccontextmanager
async def temporal_after_failures(failures: int) -> AsyncIterator[int]:
    """Serve the RPC that a client calls when it connects, with errors at first; yield the port."""
    calls = itertools.count()

    async def get_system_info(
        request: GetSystemInfoRequest, context: ServicerContext[GetSystemInfoRequest, GetSystemInfoResponse]
    ) -> GetSystemInfoResponse:
        if next(calls) < failures:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not ready")
        return GetSystemInfoResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        get_system_info,
        request_deserializer=GetSystemInfoRequest.FromString,
        response_serializer=GetSystemInfoResponse.SerializeToString,
    )
    server = grpc.aio.server()
    service = "temporal.api.workflowservice.v1.WorkflowService"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"GetSystemInfo": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grace=None)


def test_the_default_address_is_the_embedded_servers() -> None:
    assert temporal_address(Settings(temporal_port=7300)) == "127.0.0.1:7300"


def test_the_address_is_read_from_temporals_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    assert temporal_address(Settings()) == "temporal.example:7233"


async def test_a_lazy_client_needs_no_server(tmp_path: Path) -> None:
    client = await connect(Settings(data_dir=tmp_path, temporal_port=1), lazy=True)
    assert client.service_client.config.target_host == "127.0.0.1:1"


async def test_an_address_as_an_argument_replaces_the_configured_one(tmp_path: Path) -> None:
    client = await connect(Settings(data_dir=tmp_path), address="127.0.0.1:2", lazy=True)
    assert client.service_client.config.target_host == "127.0.0.1:2"


async def test_connecting_without_a_server_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        await connect(Settings(data_dir=tmp_path, temporal_port=1))


async def test_connect_when_ready_retries_until_the_server_responds_and_logs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(30), temporal_after_failures(2) as port:
        client = await connect_when_ready(Settings(data_dir=tmp_path, temporal_port=port))
    assert client.service_client.config.target_host == f"127.0.0.1:{port}"
    [warning] = caplog.messages
    assert f"127.0.0.1:{port} doesn't respond" in warning
