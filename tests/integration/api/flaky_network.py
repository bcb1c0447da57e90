"""A TCP proxy in front of the API that closes connections, or refuses them all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.reserved_ports import reserve_port

CHUNK = 512


@dataclass
class FlakyNetwork:
    """Forwards bytes, up to a random number for each connection."""

    target: int
    random: random.Random = field(default_factory=lambda: random.Random(7))
    max_bytes: int | None = None
    """The most bytes of a response after which a connection is cut; None: never."""
    cuts: int = 0
    port: int = field(default_factory=reserve_port)  # the same one after it was down
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def down(self) -> None:
        """Refuse new connections, and cut the open ones."""
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._open |= {writer, inner_writer}
        upstream = asyncio.create_task(self._forward(reader, inner_writer, None))
        most = None if self.max_bytes is None else self.random.randrange(self.max_bytes)
        try:
            await self._forward(inner_reader, writer, most)
        finally:
            upstream.cancel()
            await asyncio.gather(upstream, return_exceptions=True)
            for stream in (writer, inner_writer):
                stream.transport.abort()
                self._open.discard(stream)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None) -> None:
        left = most
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                writer.write(data if left is None else data[:left])
                await writer.drain()
                if left is not None and len(data) >= left:
                    self.cuts += 1
                    return
                left = None if left is None else left - len(data)


@asynccontextmanager
async def flaky_network(target: int, max_bytes: int | None = None) -> AsyncIterator[FlakyNetwork]:
    """Forward a free port to the port ``target``."""
    network = FlakyNetwork(target, max_bytes=max_bytes)
    await network.up()
    yield network
    await network.down()
