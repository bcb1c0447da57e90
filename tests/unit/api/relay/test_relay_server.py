from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from grpc import aio
from pydantic import SecretStr

from activities.settings import Settings
from activities.streaming.proto.opspawn.internal.v1.relay_pb2 import RelayRequest, RelayResponse
from activities.streaming.proto.opspawn.internal.v1.relay_pb2_grpc import (
    DeltaRelayStub,
    add_DeltaRelayServicer_to_server,
)
from activities.streaming.relay_protocol import batch_message
from activities.streaming.relay_secret import secret_metadata
from activities.streaming.token_batches import ResponseId, TokenBatch
from agentkit.catalog.catalog import load_catalog
from agentkit.errors import ConfigurationInvalid
from agentkit.interfaces import ModelDelta
from api.events.event import Event
from api.events.event_hub import EventHub
from api.relay.relay_server import RelayServicer, relay_server
from api.tasks.task_service import TaskService
from tests.reserved_ports import reserve_port
from tests.unit.api.events.scripted_temporal import TASK_ID, TIMEOUT_S, ScriptedTemporal


@dataclass
class Worker:
    """A worker's end of the stream."""

    call: aio.StreamStreamCall[RelayRequest, RelayResponse]
    watched: set[str] = field(default_factory=set)
    acknowledged: int = 0

    async def receive(self) -> None:
        """Apply the next response."""
        response = await asyncio.wait_for(self.call.read(), TIMEOUT_S)
        assert isinstance(response, RelayResponse)
        self.watched = (self.watched | set(response.watch)) - set(response.unwatch)
        self.acknowledged = response.acknowledged

    async def send(self, number: int, *batches: TokenBatch) -> None:
        await self.call.write(RelayRequest(number=number, batches=map(batch_message, batches)))


@pytest.fixture
def temporal() -> ScriptedTemporal:
    return ScriptedTemporal()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(app_dir=tmp_path, data_dir=tmp_path / "data", relay_secret=SecretStr("hush"))


@pytest.fixture
async def hub(temporal: ScriptedTemporal, settings: Settings) -> AsyncIterator[EventHub]:
    client = temporal.client()
    hub = EventHub(client, TaskService(client, load_catalog(settings), settings), settings)
    yield hub
    await hub.aclose()


@pytest.fixture
async def address(hub: EventHub) -> AsyncIterator[str]:
    """Of a server with the secret ``hush``."""
    server = aio.server()
    add_DeltaRelayServicer_to_server(RelayServicer(hub, "hush"), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@asynccontextmanager
async def connected(address: str, secret: str = "hush") -> AsyncIterator[Worker]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with aio.insecure_channel(address, options) as channel:
        call = DeltaRelayStub(channel).Relay(metadata=secret_metadata(secret))
        yield Worker(call)
        call.cancel()


@asynccontextmanager
async def watched(hub: EventHub) -> AsyncIterator[asyncio.Queue[Event]]:
    """Watch the task; its events are in the queue."""
    events: asyncio.Queue[Event] = asyncio.Queue()

    async def watch() -> None:
        async with aclosing((await hub.watch(TASK_ID)).events()) as stream:
            async for event in stream:
                events.put_nowait(event)

    watching = asyncio.create_task(watch())
    assert (await asyncio.wait_for(events.get(), TIMEOUT_S)).type == "task.status"
    yield events
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def batch(temporal: ScriptedTemporal, activity_id: str, text: str, *, last: bool = False) -> TokenBatch:
    response = ResponseId(TASK_ID, temporal.run_id, activity_id, 1, 1)
    return TokenBatch(response, "continue" if last else "start", (ModelDelta("text", text),), last)


async def test_a_worker_learns_which_tasks_are_watched_and_no_longer_watched(hub: EventHub, address: str) -> None:
    async with connected(address) as early:
        await early.receive()
        assert early.watched == set()
        async with watched(hub):
            await early.receive()
            assert early.watched == {TASK_ID}
            async with connected(address) as late:
                await late.receive()
                assert late.watched == {TASK_ID}
        await early.receive()
        assert early.watched == set()


async def test_batches_become_events_and_the_last_one_is_acknowledged(
    temporal: ScriptedTemporal, hub: EventHub, address: str
) -> None:
    activity_id = temporal.schedule_model()
    async with watched(hub) as events, connected(address) as worker:
        assert (await asyncio.wait_for(events.get(), TIMEOUT_S)).type == "model.started"
        await worker.receive()
        await worker.send(1, batch(temporal, activity_id, "hello "))
        await worker.send(2, batch(temporal, activity_id, "there", last=True))
        deltas = [await asyncio.wait_for(events.get(), TIMEOUT_S) for _ in range(2)]
        await worker.receive()
        assert [event.data["text"] for event in deltas] == ["hello ", "there"]
        assert worker.acknowledged == 2


async def test_a_worker_with_another_secret_is_refused(hub: EventHub, address: str) -> None:
    async with connected(address, secret="hash") as worker:
        with pytest.raises(aio.AioRpcError, match="another secret") as refused:
            await worker.receive()
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("ending", ["done writing", "cancelled"])
async def test_a_worker_that_ends_its_stream_ends_the_call(
    hub: EventHub, address: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(address) as worker:
        await worker.receive()
        if ending == "cancelled":
            worker.call.cancel()
        else:
            await worker.call.done_writing()
            assert await asyncio.wait_for(worker.call.read(), TIMEOUT_S) is aio.EOF
    async with watched(hub), connected(address) as another:
        await another.receive()
        assert another.watched == {TASK_ID}
    assert [record.getMessage() for record in caplog.records] == []


async def test_without_a_relay_port_nothing_is_served_and_no_secret_created(hub: EventHub, settings: Settings) -> None:
    async with relay_server(hub, settings.model_copy(update={"relay_port": 0, "relay_secret": None})):
        assert not settings.data_dir.exists()


async def test_the_relay_is_served_while_the_context_lasts(hub: EventHub, settings: Settings) -> None:
    settings = settings.model_copy(update={"relay_port": reserve_port()})
    async with relay_server(hub, settings), connected(f"127.0.0.1:{settings.relay_port}") as worker:
        await worker.receive()


async def test_a_certificate_needs_its_key(hub: EventHub, settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"relay_port": reserve_port(), "relay_tls_cert": tmp_path / "cert.pem"})
    with pytest.raises(ConfigurationInvalid, match="relay_tls_key go together"):
        async with relay_server(hub, settings):
            pass


async def test_a_missing_certificate_file_is_named(hub: EventHub, settings: Settings, tmp_path: Path) -> None:
    files = {"relay_tls_cert": tmp_path / "cert.pem", "relay_tls_key": tmp_path / "key.pem"}
    settings = settings.model_copy(update={"relay_port": reserve_port(), **files})
    with pytest.raises(ConfigurationInvalid, match=r"key\.pem"):
        async with relay_server(hub, settings):
            pass
