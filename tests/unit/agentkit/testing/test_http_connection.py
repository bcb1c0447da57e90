"""A server connection over a real socket; the client writes bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from agentkit.testing.http_connection import ConnectionEnded, HTTPConnection


@dataclass(frozen=True, slots=True)
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[Client, HTTPConnection]]:
    """Yield both ends of one connection."""
    accepted: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()
    server = await asyncio.start_server(lambda *streams: accepted.set_result(streams), "127.0.0.1", 0)
    async with asyncio.timeout(10), server:
        client = Client(*await asyncio.open_connection(*server.sockets[0].getsockname()[:2]))
        reader, writer = await accepted
        try:
            yield client, HTTPConnection(reader, writer)
        finally:
            client.writer.close()
            writer.close()


async def test_requests_are_read_one_after_the_other() -> None:
    async with _connected() as (client, connection):
        client.writer.write(b"POST /a?b=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}GET /c HTTP/1.1\r\n\r\n")
        first, second = await connection.read_request(), await connection.read_request()
        client.writer.close()
        after_close = await connection.read_request()
    assert first is not None
    assert (first.method, first.path, first.body) == ("POST", "/a", b"{}")
    assert first.headers["content-length"] == "2"
    assert second is not None
    assert (second.method, second.path, second.body) == ("GET", "/c", b"")
    assert after_close is None


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"hello\r\n\r\n", id="not HTTP"),
        pytest.param(b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n", id="length that is no number"),
        pytest.param(b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", id="too large a body"),
        pytest.param(b"x" * 100_000, id="head without end"),
    ],
)
async def test_what_is_not_a_request_ends_the_connection(sent: bytes) -> None:
    async with _connected() as (client, connection):
        client.writer.write(sent)
        assert await connection.read_request() is None


async def test_a_response_states_its_length() -> None:
    async with _connected() as (client, connection):
        await connection.send_response(529, b"{}", {"retry-after": "3"})
        expected = b"HTTP/1.1 529 Overloaded\r\nretry-after: 3\r\ncontent-length: 2\r\n\r\n{}"
        assert await client.reader.readexactly(len(expected)) == expected


async def test_a_stream_is_sent_in_chunks_that_can_be_read_at_once() -> None:
    async with _connected() as (client, connection):
        await connection.start_stream(b"data: 1\n\n")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readexactly(14) == b"9\r\ndata: 1\n\n\r\n"
        await connection.send_events(b"a", b"b")
        assert await client.reader.readexactly(12) == b"1\r\na\r\n1\r\nb\r\n"
        await connection.end_stream()
        assert await client.reader.readexactly(5) == b"0\r\n\r\n"
    assert b"content-type: text/event-stream" in head


async def test_waiting_ends_early_when_the_client_disconnects() -> None:
    async with _connected() as (client, connection):
        await connection.wait(0.01)
        client.writer.close()
        with pytest.raises(ConnectionEnded):
            await connection.wait(None)


async def test_an_aborted_stream_ends_without_its_last_chunk() -> None:
    async with _connected() as (client, connection):
        await connection.start_stream(b"data: 1\n\n")
        await client.reader.readuntil(b"data: 1\n\n\r\n")
        connection.abort()
        assert await client.reader.read() == b""
