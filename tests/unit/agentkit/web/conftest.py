"""A real web server on loopback that answers by script, over plain sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pytest

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def page(body: bytes | str, content_type: str | None = "text/plain", status: str = "200 OK", headers: str = "") -> bytes:
    """Return a whole HTTP response."""
    content = body.encode() if isinstance(body, str) else body
    kind = f"content-type: {content_type}\r\n" if content_type else ""
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(content)}\r\n{kind}{headers}\r\n".encode() + content


@dataclass
class Site:
    """Answers each path by script, and remembers what it was asked."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Mapping[str, str]] = field(default_factory=list)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = lines[0].split(" ")[1]
            self.requests.append(
                {"path": path, **{line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines[1:] if line}}
            )
            answer = self.answers.get(path, page("nothing here", status="404 Not Found"))
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                await answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def serving(site: Site, context: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    """Serve until the test is over."""
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=context)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    server.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async for started in serving(Site()):
        yield started
