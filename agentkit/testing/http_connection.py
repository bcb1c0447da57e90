"""Just enough HTTP/1.1, on asyncio streams, to serve a scripted server's clients on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

__all__ = ["Exchange", "ExchangeOver", "HTTPRequest"]

_MAX_BODY = 64 * 1_048_576


class ExchangeOver(Exception):
    """The client went away, or the connection is to be dropped."""


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Exchange:
    """One client's connection: requests come in, one after the other, and are answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> HTTPRequest | None:
        """Return the next request; None: the client has closed the connection, or speaks no HTTP."""
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            method, target, _ = first.split(" ", 2)
            pairs = (line.partition(":") for line in lines)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            length = int(headers.get("content-length", "0"))
            if length > _MAX_BODY:
                return None
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            return None
        return HTTPRequest(method, target.partition("?")[0], headers, body)

    async def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a whole answer."""
        await self._write(_head(status, {**headers, "content-length": str(len(body))}) + body)

    async def begin_stream(self, *events: bytes) -> None:
        """Begin an event stream, with its first events."""
        head = _head(200, {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"})
        await self._write(head + _chunked(events))

    async def send(self, *events: bytes) -> None:
        """Send more events."""
        await self._write(_chunked(events))

    async def end_stream(self, *events: bytes) -> None:
        """Send the last events; the connection may be used again."""
        await self._write(_chunked(events) + b"0\r\n\r\n")

    async def rest(self, seconds: float | None) -> None:
        """Send nothing for so long; None: until the client goes away.

        Raises:
            ExchangeOver: it has.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._reader.read(1)
        except TimeoutError:
            return
        except ConnectionError:
            pass
        raise ExchangeOver

    def drop(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()

    async def _write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            raise ExchangeOver from None


def _chunked(events: tuple[bytes, ...]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Overloaded"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")
