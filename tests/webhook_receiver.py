"""A webhook's server, for tests: it verifies signatures, and fails as it is told to."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from standardwebhooks import Webhook, WebhookVerificationError

__all__ = ["WEBHOOK_SECRET", "WebhookReceiver", "webhook_receiver"]

WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Behaviour = int | Literal["hang", "reset"]
"""The status of a response, or what happens in its place."""


@dataclass
class WebhookReceiver:
    """Behaves as planned, request by request, and then responds with 204; a wrong signature gets a 401."""

    plan: list[Behaviour]
    url: str = ""
    ids: list[str] = field(default_factory=list)
    """``webhook-id`` of each request that was verified."""
    events: list[Any] = field(default_factory=list)
    _received: asyncio.Condition = field(default_factory=asyncio.Condition)
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, count: int, timeout_s: float = 30) -> None:
        """Wait until so many requests were verified."""
        async with asyncio.timeout(timeout_s), self._received:
            await self._received.wait_for(lambda: len(self.events) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request."""
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._behave(writer, await self._receive(reader))
        finally:
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader) -> Behaviour:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        try:
            event = Webhook(WEBHOOK_SECRET).verify(body, headers)
        except WebhookVerificationError:
            return 401
        async with self._received:
            self.ids.append(headers["webhook-id"])
            self.events.append(event)
            self._received.notify_all()
        return self.plan.pop(0) if self.plan else 204

    async def _behave(self, writer: asyncio.StreamWriter, behaviour: Behaviour) -> None:
        if behaviour == "hang":
            await self._closed.wait()
        elif behaviour == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            location = "location: /elsewhere\r\n" if 300 <= behaviour < 400 else ""
            writer.write(f"HTTP/1.1 {behaviour} Planned\r\n{location}content-length: 4\r\n\r\nbody".encode())
            await writer.drain()

    def close(self) -> None:
        """End the requests that hang."""
        self._closed.set()


@asynccontextmanager
async def webhook_receiver(plan: Iterable[Behaviour] = ()) -> AsyncIterator[WebhookReceiver]:
    """Run a receiver on loopback."""
    receiver = WebhookReceiver(list(plan))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?token=t0ken"
    async with server:
        yield receiver
        receiver.close()
