from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc import aio
from pydantic import SecretStr

from activities.settings import Settings
from activities.streaming.proto.opspawn.internal.v1.relay_pb2 import RelayRequest, RelayResponse
from activities.streaming.proto.opspawn.internal.v1.relay_pb2_grpc import (
    DeltaRelayServicer,
    add_DeltaRelayServicer_to_server,
)
from activities.streaming.relay_client import token_relay
from activities.streaming.relay_protocol import batch_from
from activities.streaming.relay_secret import has_secret
from activities.streaming.token_batches import ResponseId
from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import ModelDelta
from tests.reserved_ports import reserve_port

RESPONSE = ResponseId("task", "run", "model-1-0", 1, 1)
TIMEOUT_S = 20.0


class ApiProcess(DeltaRelayServicer):
    """An API process on which ``task`` is watched. It ends a stream when ``end`` is set."""

    def __init__(self, secret: str = "hush") -> None:
        self.secret = secret
        self.requests: asyncio.Queue[RelayRequest] = asyncio.Queue()
        self.connections: asyncio.Queue[None] = asyncio.Queue()
        self.end = asyncio.Event()

    async def Relay(
        self, request_iterator: AsyncIterator[RelayRequest], context: aio.ServicerContext[RelayRequest, RelayResponse]
    ) -> AsyncIterator[RelayResponse]:
        self.connections.put_nowait(None)
        if not has_secret(context.invocation_metadata() or (), self.secret):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "This worker has another secret.")
        receiving = asyncio.create_task(self._receive(request_iterator))
        yield RelayResponse(watch=["task"])
        await self.end.wait()
        self.end.clear()
        receiving.cancel()

    async def _receive(self, requests: AsyncIterator[RelayRequest]) -> None:
        async for request in requests:
            self.requests.put_nowait(request)


@asynccontextmanager
async def serving(process: ApiProcess, port: int) -> AsyncIterator[None]:
    server = aio.server(options=[("grpc.so_reuseport", 0)])
    add_DeltaRelayServicer_to_server(process, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    yield
    await server.stop(None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, relay_port=reserve_port(), relay_secret=SecretStr("hush"))


async def text_of_next_request(process: ApiProcess) -> str:
    request = await asyncio.wait_for(process.requests.get(), TIMEOUT_S)
    batches = [batch for batch in map(batch_from, request.batches) if batch is not None]
    assert {batch.response for batch in batches} == {RESPONSE}
    return "".join(delta.text for batch in batches for delta in batch.deltas)


async def test_deltas_of_watched_tasks_are_sent_to_each_address(settings: Settings) -> None:
    ports = (reserve_port(), reserve_port())
    processes = (ApiProcess(), ApiProcess())
    addresses = tuple(f"127.0.0.1:{port}" for port in ports)
    settings = settings.model_copy(update={"relay_addresses": addresses})
    async with (
        serving(processes[0], ports[0]),
        serving(processes[1], ports[1]),
        token_relay(settings) as streams,
        streams.publishing(ResponseId("unwatched", "run", "model-1-0", 1, 1)) as emit_unwatched,
        streams.publishing(RESPONSE) as emit,
    ):
        emit_unwatched(ModelDelta("text", "secret"))
        emit(ModelDelta("text", "hello"))
        assert [await text_of_next_request(process) for process in processes] == ["hello", "hello"]


async def test_after_a_lost_connection_the_response_is_sent_from_its_beginning(settings: Settings) -> None:
    process = ApiProcess()
    async with (
        serving(process, settings.relay_port),
        token_relay(settings) as streams,
        streams.publishing(RESPONSE) as emit,
    ):
        emit(ModelDelta("text", "hello "))
        assert await text_of_next_request(process) == "hello "
        process.end.set()
        for _ in range(2):
            await asyncio.wait_for(process.connections.get(), TIMEOUT_S)
        emit(ModelDelta("text", "there"))
        assert "hello " in await text_of_next_request(process)


async def test_an_api_process_that_starts_later_is_connected_to(settings: Settings) -> None:
    process = ApiProcess()
    async with token_relay(settings) as streams, streams.publishing(RESPONSE) as emit:
        emit(ModelDelta("text", "hello"))
        async with serving(process, settings.relay_port):
            assert await text_of_next_request(process) == "hello"


async def test_a_refused_secret_is_logged_once_and_acceptance_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "activities.streaming.relay_client")
    process = ApiProcess(secret="another")
    async with serving(process, settings.relay_port), token_relay(settings) as streams:
        for _ in range(3):
            await asyncio.wait_for(process.connections.get(), TIMEOUT_S)
        process.secret = "hush"
        async with streams.publishing(RESPONSE) as emit:
            emit(ModelDelta("text", "hello"))
            await text_of_next_request(process)
    warning, recovery = [record.getMessage() for record in caplog.records]
    assert "This worker has another secret" in warning
    assert "shows tokens again" in recovery


async def test_a_missing_ca_file_is_named(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"relay_tls_ca": tmp_path / "ca.pem"})
    with pytest.raises(ConfigurationInvalid, match=r"ca\.pem"):
        async with token_relay(settings):
            pass
