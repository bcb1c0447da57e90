"""The API's end of the relay: sends workers which tasks are watched, and the event hub the tokens of those."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import anyio
import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from activities.settings import Settings
from activities.streaming.proto.opspawn.internal.v1.relay_pb2 import RelayRequest, RelayResponse
from activities.streaming.proto.opspawn.internal.v1.relay_pb2_grpc import (
    DeltaRelayServicer,
    add_DeltaRelayServicer_to_server,
)
from activities.streaming.relay_protocol import CHANNEL_OPTIONS, batch_from
from activities.streaming.relay_secret import has_secret, relay_secret
from agentkit.errors import ConfigurationInvalid
from api.events.event_hub import EventHub

__all__ = ["RelayServicer", "relay_server"]

logger = logging.getLogger(__name__)

_SERVER_OPTIONS = [
    ("grpc.max_allowed_incoming_connections", 1_000),  # one a worker
    ("grpc.max_concurrent_streams", 16),  # of one worker, which has one, and another while it reconnects
    ("grpc.server_handshake_timeout_ms", 10_000),
]

_Requests = AsyncIterator[RelayRequest]
_Context = aio.ServicerContext[RelayRequest, RelayResponse]


class RelayServicer(DeltaRelayServicer):
    """Passes token batches from workers to the event hub; keeps no text."""

    def __init__(self, hub: EventHub, secret: str) -> None:
        """Serve the workers that send ``secret``."""
        self._hub = hub
        self._secret = secret
        self._watched = set(hub.watched)
        self._workers: set[_WorkerUpdates] = set()
        hub.on_watchers_changed(self._update_watched)

    async def Relay(self, request_iterator: _Requests, context: _Context) -> None:  # type: ignore[override]
        """Serve one worker until it ends the stream.

        Not a generator, which is all that the types allow: it would be finalized late, by the garbage collector.
        """
        if not has_secret(context.invocation_metadata() or (), self._secret):
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "This worker has another secret. Set the same relay_secret on both."
            )
        updates = _WorkerUpdates(self._watched)
        self._workers.add(updates)
        is_decodable = True
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._receive, request_iterator, updates, tasks.cancel_scope)
                while True:
                    await context.write(await updates.next_response())
        except* DecodeError:
            is_decodable = False
        finally:
            self._workers.discard(updates)
        if not is_decodable:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "This request is no RelayRequest.")

    async def _receive(self, requests: _Requests, updates: _WorkerUpdates, stream: anyio.CancelScope) -> None:
        """Read requests until the worker ends the stream; then cancel ``stream``."""
        async for request in requests:
            batches = [batch for batch in map(batch_from, request.batches) if batch is not None]
            for batch in batches:
                self._hub.on_batch(batch)
            if any(batch.last for batch in batches):
                updates.acknowledge(request.number)
        stream.cancel()

    def _update_watched(self, task_id: str, watchers: int) -> None:
        if (watchers > 0) == (task_id in self._watched):
            return
        if watchers:
            self._watched.add(task_id)
        else:
            self._watched.discard(task_id)
        for updates in self._workers:
            updates.change(task_id, watched=watchers > 0)


class _WorkerUpdates:
    """The next response to one worker: only the newest state of each task, so that a slow worker costs little."""

    def __init__(self, watched: Iterable[str]) -> None:
        self._changes = dict.fromkeys(watched, True)
        self._acknowledged = 0
        self._changed = asyncio.Event()
        self._changed.set()  # the first response confirms the secret

    def change(self, task_id: str, *, watched: bool) -> None:
        self._changes[task_id] = watched
        self._changed.set()

    def acknowledge(self, number: int) -> None:
        self._acknowledged = number
        self._changed.set()

    async def next_response(self) -> RelayResponse:
        """Wait for changes, and return them."""
        await self._changed.wait()
        self._changed.clear()
        changes, self._changes = self._changes, {}
        return RelayResponse(
            watch=[task_id for task_id, watched in changes.items() if watched],
            unwatch=[task_id for task_id, watched in changes.items() if not watched],
            acknowledged=self._acknowledged,
        )


@asynccontextmanager
async def relay_server(hub: EventHub, settings: Settings) -> AsyncIterator[None]:
    """Serve the relay while the context lasts. Without a free port or a secret, log a warning and serve no tokens.

    Raises:
        ConfigurationInvalid: the certificate or its key can't be read.
    """
    server = aio.server(options=[*CHANNEL_OPTIONS, *_SERVER_OPTIONS])
    serving = bool(settings.relay_port) and _add_port(server, settings)
    if serving:
        add_DeltaRelayServicer_to_server(RelayServicer(hub, relay_secret(settings)), server)
        await server.start()
    try:
        yield
    finally:
        if serving:
            await server.stop(None)


def _add_port(server: aio.Server, settings: Settings) -> bool:
    """Bind the port; return whether the relay can be served."""
    host = f"[{settings.relay_host}]" if ":" in settings.relay_host else settings.relay_host
    address = f"{host}:{settings.relay_port}"
    credentials = _tls_credentials(settings)
    try:
        relay_secret(settings)
        if credentials is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, credentials)
    except (RuntimeError, OSError) as error:
        logger.warning(
            "No tokens are shown live: workers can't send them to %s (%s). Choose another address with relay_host and "
            "relay_port, on the workers too.",
            address,
            error,
        )
        return False
    return True


def _tls_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.relay_tls_cert is None and settings.relay_tls_key is None:
        return None
    if settings.relay_tls_cert is None or settings.relay_tls_key is None:
        raise ConfigurationInvalid("Settings relay_tls_cert and relay_tls_key go together: set both, or none")
    try:
        pair = settings.relay_tls_key.read_bytes(), settings.relay_tls_cert.read_bytes()
    except OSError as error:
        raise ConfigurationInvalid(f"Setting relay_tls_cert or relay_tls_key: {error}") from None
    return grpc.ssl_server_credentials([pair])
