"""A web server on loopback with scripted responses, and a resolver with fixed addresses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LOOPBACK = ("127.0.0.0/8",)
ScriptedResponse = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Raw bytes, or a function that writes them."""


def page(body: bytes | str, kind: str = "content-type: text/plain", *headers: str, status: str = "200 OK") -> bytes:
    content = body.encode() if isinstance(body, str) else body
    lines = (f"HTTP/1.1 {status}", f"content-length: {len(content)}", kind, *headers)
    return "\r\n".join(line for line in lines if line).encode() + b"\r\n\r\n" + content


def redirect(target: str) -> bytes:
    return page("", "", f"location: {target}", status="302 Found")


@dataclass
class ScriptedSite:
    """A web server with a scripted response for each path; it records the requests."""

    port: int = 0
    responses: dict[str, ScriptedResponse] = field(default_factory=dict)
    requests: list[Mapping[str, str]] = field(default_factory=list)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ")
            parts = (line.partition(": ") for line in lines if line)
            headers = {name.lower(): value for name, _, value in parts}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append({"path": path, ":method": method, ":body": body.decode("latin-1"), **headers})
            response = self.responses.get(path, page("nothing here", status="404 Not Found"))
            if isinstance(response, bytes):
                writer.write(response)
                await writer.drain()
            else:
                await response(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client closed the connection
        finally:
            writer.close()


@asynccontextmanager
async def serve_site(context: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedSite]:
    site = ScriptedSite()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=context)
    site.port = server.sockets[0].getsockname()[1]
    async with server:
        yield site


def static_resolver(**hosts: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """Return a resolver of these hosts; ``_`` in a keyword is ``.`` in the host's name."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return hosts[host.replace(".", "_")]

    return resolve
