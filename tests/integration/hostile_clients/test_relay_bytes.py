"""Random batches, and bytes that are none, to the relay: only the worker that sent them loses its stream."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import grpc
from grpc import aio

from activities.streaming.proto.opspawn.internal.v1 import relay_pb2
from activities.streaming.relay_secret import relay_secret, secret_metadata
from tests.integration.api.conftest import settings_for
from tests.integration.hostile_clients.logged_process import logged_process
from tests.integration.hostile_clients.random_messages import random_bytes, random_message

_SEED = 20261128
_MESSAGES = 25
_TIMEOUT_S = 30.0
_UNDECODABLE = b"\xff"


async def test_the_relay_survives_random_batches_of_a_worker_and_bytes_that_are_none(
    tmp_path: Path, temporal_port: int
) -> None:
    settings, random = settings_for(tmp_path, temporal_port), Random(_SEED)
    secret = secret_metadata(relay_secret(settings))
    kind = relay_pb2.DESCRIPTOR.message_types_by_name["RelayRequest"]
    messages = [random_message(kind, random, ("task-a",)) for _ in range(_MESSAGES)]

    async def relay(channel: aio.Channel, requests: list[bytes], metadata: Any) -> grpc.StatusCode:
        """Send requests; return how the server ends the call after them, or before."""
        stream: Any = channel.stream_stream("/opspawn.internal.v1.DeltaRelay/Relay")
        call = stream(timeout=_TIMEOUT_S, metadata=metadata)
        with suppress(
            Exception
        ):  # what refuses to write to a call that has ended is of many types, some of them private
            for request in requests:
                await call.write(request)
            if requests != [_UNDECODABLE]:
                await call.done_writing()
            while await call.read() is not aio.EOF:
                pass
        code: grpc.StatusCode = await call.code()
        return code

    async with logged_process(settings) as api:
        async with aio.insecure_channel(f"127.0.0.1:{api.relay_port}") as channel:
            encoded = [message.SerializeToString() for message in messages]
            await relay(channel, encoded, secret)
            for message in messages:
                await relay(channel, [random_bytes(message, random)], secret)
            await relay(channel, [_UNDECODABLE], secret)
        options = [("grpc.use_local_subchannel_pool", 1)]  # else it might get the connection of before
        async with aio.insecure_channel(f"127.0.0.1:{api.relay_port}", options=options) as channel:
            valid = [relay_pb2.RelayRequest(number=7).SerializeToString()]
            assert await relay(channel, valid, secret) is grpc.StatusCode.OK
        logged = await api.stop()
    assert b"Traceback" not in logged, logged.decode()
