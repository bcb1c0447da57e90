"""The redirect of a browser to this machine at the end of a login."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

__all__ = ["LoopbackListener", "loopback_listener"]

_PATH = "/callback"
_MAX_REQUEST_BYTES = 16_384
_REQUEST_TIMEOUT_S = 10.0
_PAGE = "<!doctype html><meta charset=utf-8><title>Opspawn</title><p>{}"


class LoopbackListener:
    """Takes the first redirect that has the state which was sent along."""

    def __init__(self, port: int) -> None:
        self.redirect_url = f"http://127.0.0.1:{port}{_PATH}"
        self._state = ""
        self._parameters: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    def expect(self, authorization_url: str) -> None:
        """Take the redirect of this login, and of no other."""
        self._state = _query(authorization_url).get("state", "")

    async def parameters(self) -> dict[str, str]:
        """Wait for the redirect, and return its parameters."""
        return await self._parameters

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request of a browser."""
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                status, text = self._take(head.split(b"\r\n", 1)[0].decode("ascii", errors="replace"))
                body = _PAGE.format(text).encode()
                head_lines = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head_lines}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # no browser
        finally:
            writer.close()

    def _take(self, request_line: str) -> tuple[str, str]:
        method, _, rest = request_line.partition(" ")
        target = rest.partition(" ")[0]
        if method != "GET" or urlsplit(target).path != _PATH:
            return "404 Not Found", "There is nothing here."
        parameters = _query(target)
        if not self._state or parameters.get("state") != self._state or self._parameters.done():
            return "400 Bad Request", "This is not the login that Opspawn is waiting for."
        self._parameters.set_result(parameters)
        if "code" not in parameters:
            return "200 OK", "The login was refused. You can close this window."
        return "200 OK", "Opspawn goes on with the login. You can close this window."


@asynccontextmanager
async def loopback_listener() -> AsyncIterator[LoopbackListener]:
    """Listen on a free port of 127.0.0.1 until the block ends."""
    answering: list[LoopbackListener] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering[0].answer(reader, writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=_MAX_REQUEST_BYTES)
    try:
        answering.append(LoopbackListener(server.sockets[0].getsockname()[1]))
        yield answering[0]
    finally:
        server.close()


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
