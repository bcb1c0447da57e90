from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest, GetSystemInfoResponse

from activities.settings import Settings
from activities.temporal.client import connect, connect_when_ready, temporal_address
from tests.reserved_ports import reserve_port


@asynccontextmanager
async def minimal_temporal(port: int) -> AsyncIterator[None]:
    """Serve the one RPC that a client calls when it connects."""

    async def get_system_info(request: GetSystemInfoRequest, context: object) -> GetSystemInfoResponse:
        return GetSystemInfoResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        get_system_info,
        request_deserializer=GetSystemInfoRequest.FromString,
        response_serializer=GetSystemInfoResponse.SerializeToString,
    )
    server = grpc.aio.server()
    service = "temporal.api.workflowservice.v1.WorkflowService"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"GetSystemInfo": handler})])
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield
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


async def test_connect_when_ready_waits_for_the_server_and_logs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port, warned = reserve_port(), asyncio.Event()

    class WarningHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warned.set()

    handler = WarningHandler()
    logging.getLogger("opspawn.temporal").addHandler(handler)
    try:
        async with asyncio.timeout(30):
            connecting = asyncio.create_task(connect_when_ready(Settings(data_dir=tmp_path, temporal_port=port)))
            await warned.wait()
            async with minimal_temporal(port):
                client = await connecting
    finally:
        logging.getLogger("opspawn.temporal").removeHandler(handler)
    assert client.service_client.config.target_host == f"127.0.0.1:{port}"
    [warning] = caplog.messages
    assert f"127.0.0.1:{port} doesn't respond" in warning
