"""The API's end of the relay: tells workers which tasks are watched, and the hub what models say in them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import grpc
from grpc import aio

from activities.settings import Settings
from activities.streaming.proto.opspawn.internal.v1.relay_pb2 import RelayRequest, RelayResponse
from activities.streaming.proto.opspawn.internal.v1.relay_pb2_grpc import (
    DeltaRelayServicer,
    add_DeltaRelayServicer_to_server,
)
from activities.streaming.relay_messages import OPTIONS, piece_from
from activities.streaming.relay_secret import is_known, relay_secret
from agentkit.errors import ConfigurationInvalid
from api.events.event_hub import Hub

__all__ = ["Relay", "relaying"]

_log = logging.getLogger(__name__)


class Relay(DeltaRelayServicer):
    """Passes on what workers send. It holds no text."""

    def __init__(self, hub: Hub, secret: str) -> None:
        """Serve the watchers of a hub, and the workers that know the secret."""
        self._hub = hub
        self._secret = secret
        self._watched = set(hub.watched)
        self._workers: set[_Worker] = set()
        hub.listen(self._watchers_changed)

    async def Relay(
        self, request_iterator: AsyncIterator[RelayRequest], context: aio.ServicerContext[RelayRequest, RelayResponse]
    ) -> AsyncIterator[RelayResponse]:
        """Serve a worker until it goes."""
        if not is_known(context.invocation_metadata() or (), self._secret):
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "This worker has another secret. Set the same relay_secret on both."
            )
        worker = _Worker(self._watched)
        self._workers.add(worker)
        hearing = asyncio.create_task(self._hear(request_iterator, worker))
        try:
            while not worker.gone:
                yield await worker.news()
        finally:
            self._workers.discard(worker)
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _hear(self, requests: AsyncIterator[RelayRequest], worker: _Worker) -> None:
        try:
            async for request in requests:
                pieces = [piece for piece in map(piece_from, request.pieces) if piece is not None]
                for piece in pieces:
                    self._hub.hear(piece)
                if any(piece.last for piece in pieces):
                    worker.took(request.number)
        finally:
            worker.go()

    def _watchers_changed(self, task_id: str, watchers: int) -> None:
        if (watchers > 0) == (task_id in self._watched):
            return
        if watchers:
            self._watched.add(task_id)
        else:
            self._watched.discard(task_id)
        for worker in self._workers:
            worker.change(task_id, watched=watchers > 0)


class _Worker:
    """What one worker is to be told next: bounded, for all that counts is how it is now."""

    def __init__(self, watched: Iterable[str]) -> None:
        self._changes = dict.fromkeys(watched, True)
        self._taken = 0
        self._news = asyncio.Event()
        self._news.set()  # the first message says that the worker is welcome
        self.gone = False

    def change(self, task_id: str, *, watched: bool) -> None:
        self._changes[task_id] = watched
        self._news.set()

    def took(self, number: int) -> None:
        self._taken = number
        self._news.set()

    def go(self) -> None:
        self.gone = True
        self._news.set()

    async def news(self) -> RelayResponse:
        await self._news.wait()
        self._news.clear()
        changes, self._changes = self._changes, {}
        return RelayResponse(
            watch=[task_id for task_id, watched in changes.items() if watched],
            unwatch=[task_id for task_id, watched in changes.items() if not watched],
            taken=self._taken,
        )


@asynccontextmanager
async def relaying(hub: Hub, settings: Settings) -> AsyncIterator[None]:
    """Serve the relay while the block lasts. Where it can't be, that is said, and all works but the deltas.

    Raises:
        ConfigurationInvalid: the certificate or its key can't be read.
    """
    server = aio.server(options=OPTIONS)
    serving = bool(settings.relay_port) and _listen(server, settings)
    if serving:
        add_DeltaRelayServicer_to_server(Relay(hub, relay_secret(settings)), server)
        await server.start()
    try:
        yield
    finally:
        if serving:
            await server.stop(None)


def _listen(server: aio.Server, settings: Settings) -> bool:
    host = f"[{settings.relay_host}]" if ":" in settings.relay_host else settings.relay_host
    address = f"{host}:{settings.relay_port}"
    credentials = _credentials(settings)
    try:
        relay_secret(settings)
        if credentials is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, credentials)
    except (RuntimeError, OSError) as error:
        _log.warning(
            "No tokens are shown live: workers can't send them to %s (%s). Choose another address with relay_host and "
            "relay_port, on the workers too.",
            address,
            error,
        )
        return False
    return True


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.relay_tls_cert is None and settings.relay_tls_key is None:
        return None
    if settings.relay_tls_cert is None or settings.relay_tls_key is None:
        raise ConfigurationInvalid("Settings relay_tls_cert and relay_tls_key go together: set both, or none")
    try:
        pair = settings.relay_tls_key.read_bytes(), settings.relay_tls_cert.read_bytes()
    except OSError as error:
        raise ConfigurationInvalid(f"Setting relay_tls_cert or relay_tls_key: {error}") from None
    return grpc.ssl_server_credentials([pair])
