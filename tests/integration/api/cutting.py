"""A network that breaks: a proxy in front of the API that cuts connections, or all at once goes away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.reserved_ports import reserve_port

CHUNK = 512


@dataclass
class Network:
    """Passes bytes on, until it doesn't."""

    target: int
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    longest: int | None = None
    """Bytes of an answer after which a connection is cut at the latest; None: never."""
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
        """Refuse new connections, and cut those there are."""
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._open |= {writer, inner_writer}
        asking = asyncio.create_task(self._pass(reader, inner_writer, None))
        most = None if self.longest is None else self.chance.randrange(self.longest)
        try:
            await self._pass(inner_reader, writer, most)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            for one in (writer, inner_writer):
                one.transport.abort()
                self._open.discard(one)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None) -> None:
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
async def network(target: int, longest: int | None = None) -> AsyncIterator[Network]:
    """Stand between clients and ``target``, on a port of its own."""
    network = Network(target, longest=longest)
    await network.up()
    yield network
    await network.down()
