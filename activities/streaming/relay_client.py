"""The worker's end of the relay: one gRPC stream to each API process, reconnected for as long as the worker runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc import aio

from activities.settings import Settings
from activities.streaming.proto.opspawn.internal.v1.relay_pb2 import RelayRequest, RelayResponse
from activities.streaming.proto.opspawn.internal.v1.relay_pb2_grpc import DeltaRelayStub
from activities.streaming.relay_protocol import CHANNEL_OPTIONS, batch_message
from activities.streaming.relay_secret import relay_secret, secret_metadata
from activities.streaming.token_streams import TokenStreams, TokenSubscriber
from agentkit.errors import ConfigurationInvalid

__all__ = ["token_relay"]

logger = logging.getLogger(__name__)

_MIN_RECONNECT_DELAY_S = 0.2
"""Before the first attempt to reconnect; doubled after each."""
_MAX_RECONNECT_DELAY_S = 5.0
_WARN_AFTER_S = 10.0
"""How long an API process may be unreachable before a warning is logged: restarting one takes less."""

_Call = aio.StreamStreamCall[RelayRequest, RelayResponse]


@asynccontextmanager
async def token_relay(settings: Settings) -> AsyncIterator[TokenStreams]:
    """Return token streams that are sent to the API processes while the context lasts.

    An API process that can't be reached gets no tokens; nothing else depends on it.

    Raises:
        ConfigurationInvalid: ``relay_tls_ca`` can't be read.
    """
    streams = TokenStreams()
    local = (f"127.0.0.1:{settings.relay_port}",) if settings.relay_port else ()
    connections = [_Connection(streams, settings, address) for address in settings.relay_addresses or local]
    running = [asyncio.create_task(connection.run()) for connection in connections]
    try:
        yield streams
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class _Connection:
    """The connection to one API process."""

    def __init__(self, streams: TokenStreams, settings: Settings, address: str) -> None:
        self._streams = streams
        self._settings = settings
        self._address = address
        self._ca = _read_ca(settings)
        self._connected = False
        self._warned = False

    async def run(self) -> None:
        """Connect, and reconnect after each loss, until cancelled."""
        loop = asyncio.get_running_loop()
        delay, lost_at = _MIN_RECONNECT_DELAY_S, loop.time()
        while True:
            reason, refused = await self._stream_until_lost()
            if self._connected:
                delay, lost_at, self._connected = _MIN_RECONNECT_DELAY_S, loop.time(), False
            if not self._warned and (refused or loop.time() - lost_at > _WARN_AFTER_S):
                self._warned = True
                logger.warning(
                    "No tokens are shown live by the API at %s: %s. Retrying until it accepts them.",
                    self._address,
                    reason.rstrip("."),
                )
            await asyncio.sleep(delay)
            delay = min(2 * delay, _MAX_RECONNECT_DELAY_S)

    async def _stream_until_lost(self) -> tuple[str, bool]:
        """Stream until the connection is lost; return why, and whether it was refused, so that waiting won't help."""
        try:
            await self._stream(relay_secret(self._settings))
        except aio.AioRpcError as error:
            return error.details() or error.code().name, error.code() is grpc.StatusCode.UNAUTHENTICATED
        except OSError as error:  # no secret
            return str(error), True
        return "the API has ended the stream", False

    async def _stream(self, secret: str) -> None:
        async with self._channel() as channel:
            call = DeltaRelayStub(channel).Relay(metadata=secret_metadata(secret))
            subscriber = TokenSubscriber(self._streams)
            # Not in a task group: the error that counts is the call's status, which reading raises; a write that fails
            # first would cancel the reading.
            sending = asyncio.create_task(_send_batches(call, subscriber))
            try:
                async for response in call:
                    self._mark_connected()
                    for task_id in response.unwatch:
                        subscriber.unwatch(task_id)
                    for task_id in response.watch:
                        subscriber.watch(task_id)
                    subscriber.acknowledge(response.acknowledged)
            finally:
                subscriber.close()
                call.cancel()
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    def _channel(self) -> aio.Channel:
        if self._ca is None:
            return aio.insecure_channel(self._address, CHANNEL_OPTIONS)
        return aio.secure_channel(self._address, grpc.ssl_channel_credentials(self._ca), CHANNEL_OPTIONS)

    def _mark_connected(self) -> None:
        """Record that the API responds, and log that if a warning was logged before."""
        self._connected = True
        if self._warned:
            self._warned = False
            logger.info("The API at %s shows tokens again", self._address)


async def _send_batches(call: _Call, subscriber: TokenSubscriber) -> None:
    while True:
        number, batches = await subscriber.next_batches()
        await call.write(RelayRequest(number=number, batches=map(batch_message, batches)))


def _read_ca(settings: Settings) -> bytes | None:
    try:
        return None if settings.relay_tls_ca is None else settings.relay_tls_ca.read_bytes()
    except OSError as error:
        raise ConfigurationInvalid(f"Setting relay_tls_ca: {error}") from None
