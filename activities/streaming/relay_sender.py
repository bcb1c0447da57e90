"""The workers' end of the relay: a stream to each API process, kept up as long as the worker works."""

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
from activities.streaming.relay_messages import OPTIONS, piece_message
from activities.streaming.relay_secret import credentials, relay_secret
from activities.streaming.token_streams import Answers, Listener
from agentkit.errors import ConfigurationInvalid

__all__ = ["sending"]

_log = logging.getLogger(__name__)
_SOON = 0.2
"""Seconds until the next attempt to connect; doubled each time."""
_LATER = 5.0
_PATIENCE = 10.0
"""Seconds that an API process may be away, to be restarted, before anybody is told."""

_Call = aio.StreamStreamCall[RelayRequest, RelayResponse]


@asynccontextmanager
async def sending(settings: Settings) -> AsyncIterator[Answers]:
    """Send what is said to the API processes while the block lasts; where there are none, all works but that.

    Raises:
        ConfigurationInvalid: the file of the authority can't be read.
    """
    answers = Answers()
    local = (f"127.0.0.1:{settings.relay_port}",) if settings.relay_port else ()
    lines = [_Line(answers, settings, address) for address in settings.relay_addresses or local]
    keeping = [asyncio.create_task(line.keep()) for line in lines]
    try:
        yield answers
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


class _Line:
    """The line to one API process."""

    def __init__(self, answers: Answers, settings: Settings, address: str) -> None:
        self._answers = answers
        self._settings = settings
        self._address = address
        self._authority = _authority(settings)
        self._up = False
        self._told = False

    async def keep(self) -> None:
        """Connect, and again after each loss."""
        loop = asyncio.get_running_loop()
        pause, lost = _SOON, loop.time()
        while True:
            try:
                await self._speak()
                reason = "the API has ended the stream"
            except aio.AioRpcError as error:
                reason = error.details() or error.code().name
                refused = error.code() is grpc.StatusCode.UNAUTHENTICATED
            except OSError as error:  # there is no secret, and none can be written
                reason, refused = str(error), True
            else:
                refused = False
            if self._up:
                pause, lost, self._up = _SOON, loop.time(), False
            if not self._told and (refused or loop.time() - lost > _PATIENCE):
                self._told = True
                _log.warning("No tokens are shown live by the API at %s: %s. Trying on.", self._address, reason)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LATER)

    async def _speak(self) -> None:
        secret = relay_secret(self._settings)
        async with self._channel() as channel:
            call = DeltaRelayStub(channel).Relay(metadata=credentials(secret))
            listener = Listener(self._answers)
            sending = asyncio.create_task(_send(call, listener))
            try:
                async for response in call:
                    self._welcome()
                    for task_id in response.unwatch:
                        listener.unwatch(task_id)
                    for task_id in response.watch:
                        listener.watch(task_id)
                    listener.confirm(response.taken)
            finally:
                listener.close()
                call.cancel()
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    def _channel(self) -> aio.Channel:
        if self._authority is None:
            return aio.insecure_channel(self._address, OPTIONS)
        return aio.secure_channel(self._address, grpc.ssl_channel_credentials(self._authority), OPTIONS)

    def _welcome(self) -> None:
        self._up = True
        if self._told:
            self._told = False
            _log.info("The API at %s shows tokens again", self._address)


async def _send(call: _Call, listener: Listener) -> None:
    while True:
        number, pieces = await listener.batch()
        await call.write(RelayRequest(number=number, pieces=map(piece_message, pieces)))


def _authority(settings: Settings) -> bytes | None:
    try:
        return None if settings.relay_tls_ca is None else settings.relay_tls_ca.read_bytes()
    except OSError as error:
        raise ConfigurationInvalid(f"Setting relay_tls_ca: {error}") from None
