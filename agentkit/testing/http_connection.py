"""A minimal HTTP/1.1 server connection on asyncio streams, for scripted servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

__all__ = ["ConnectionEnded", "HTTPConnection", "HTTPRequest"]

_MAX_BODY_BYTES = 64 * 1_048_576


class ConnectionEnded(Exception):
    """The client has disconnected, or the connection is broken on purpose."""


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class HTTPConnection:
    """The server's side of one connection; the client sends its requests one after the other.

    Every method that writes raises ``ConnectionEnded`` when the client has disconnected.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read_request(self) -> HTTPRequest | None:
        """Return the next request; None: the client has closed the connection, or what it sent is not HTTP."""
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request_line, *header_lines = head.rstrip().split("\r\n")
            method, target, _ = request_line.split(" ", 2)
            pairs = (line.partition(":") for line in header_lines)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            length = int(headers.get("content-length", "0"))
            if length > _MAX_BODY_BYTES:
                return None
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            return None
        return HTTPRequest(method, target.partition("?")[0], headers, body)

    async def send_response(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a response with this body."""
        await self._write(_head(status, {**headers, "content-length": str(len(body))}) + body)

    async def start_stream(self, *events: bytes) -> None:
        """Start an event stream with these events."""
        head = _head(200, {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"})
        await self._write(head + _chunked(events))

    async def send_events(self, *events: bytes) -> None:
        """Send the next events of the stream."""
        await self._write(_chunked(events))

    async def end_stream(self, *events: bytes) -> None:
        """Send the last events; the connection can be used for another request."""
        await self._write(_chunked(events) + b"0\r\n\r\n")

    async def wait(self, seconds: float | None) -> None:
        """Send nothing for ``seconds``; None: until the client disconnects.

        Raises:
            ConnectionEnded: the client has disconnected.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._reader.read(1)
        except TimeoutError:
            return
        except ConnectionError:
            pass
        raise ConnectionEnded

    def abort(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()

    async def _write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            raise ConnectionEnded from None


def _chunked(events: tuple[bytes, ...]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Overloaded"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")
