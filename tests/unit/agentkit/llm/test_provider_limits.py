"""What a hostile or broken server can't do, whatever the provider: take a key, fill the memory, or hang."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import pytest

from agentkit.errors import ModelError, ModelOutputInvalid, ModelRequestRejected, ModelTimedOut
from agentkit.llm.shared.provider_client import ResponseLimits
from agentkit.llm.shared.streaming_model import ModelOptions
from agentkit.llm.shared.streams.response_timeouts import ResponseTimeouts
from agentkit.runtime.model_check import check_models
from agentkit.testing.http_connection import ConnectionEnded, HTTPConnection
from tests.unit.agentkit.llm.providers import PROVIDERS, Provider
from tests.unit.agentkit.llm.wires import WIRES

KEY = "sk-test-0123456789abcdef"
MIB = 1_048_576
LIMITS = ResponseLimits(total_bytes=4 * MIB, event_bytes=MIB, error_bytes=65_536, parts=50)
every_provider = pytest.mark.parametrize("name", PROVIDERS)


@dataclass
class HostileServer:
    """Sends the same head and pieces to every request, until the client has had enough."""

    head: bytes
    pieces: Iterator[bytes] | None = None
    """None: nothing more is sent."""
    pause: float = 0.0
    url: str = ""
    sent_bytes: int = 0
    requests: list[str] = field(default_factory=list)
    """Headers and body of each request, as text."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection has ended."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = HTTPConnection(reader, writer)
        try:
            if (request := await connection.read_request()) is not None:
                self.requests.append(f"{dict(request.headers)} {request.body.decode()}")
                await self._send(connection, writer)
        except (ConnectionEnded, ConnectionError):
            pass
        finally:
            writer.close()
            self.ended.set()

    async def _send(self, connection: HTTPConnection, writer: asyncio.StreamWriter) -> None:
        writer.write(self.head)
        if self.pieces is None:
            await connection.wait(None)
        for piece in self.pieces or ():
            writer.write(piece)
            await writer.drain()
            self.sent_bytes += len(piece)
            if self.pause:
                await connection.wait(self.pause)


@asynccontextmanager
async def _serving(server: HostileServer) -> AsyncIterator[HostileServer]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()


@contextmanager
def full_backlog() -> Iterator[str]:
    """Yield the address of a listener that accepts no connection: its backlog is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "connection: close", *lines, "", ""]).encode()


async def _error(provider: Provider, server: HostileServer, options: ModelOptions) -> ModelError:
    async with (
        asyncio.timeout(30),
        aclosing(provider.model(api_key=KEY, base_url=server.url, options=options)) as model,
    ):
        with pytest.raises(ModelError) as caught:
            await model.respond(provider.request)
        return caught.value


STREAM = _head("content-type: text/event-stream")


@every_provider
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary"])
async def test_neither_key_nor_request_follows_a_redirect(name: str, status: str) -> None:
    provider = PROVIDERS[name]
    async with _serving(HostileServer(STREAM, iter(()))) as other:
        head = _head(f"location: {other.url}/v1?a=b", "content-length: 0", status=status)
        async with _serving(HostileServer(head, iter(()))) as server:
            error = await _error(provider, server, ModelOptions())
            async with aclosing(provider.model(api_key=KEY, base_url=server.url)) as model:
                (check,) = await check_models({provider.name: model}, [provider.model_name])
    assert other.requests == []
    assert len(server.requests) == 2
    assert type(error) is ModelRequestRejected
    assert f"redirects to {other.url}/v1 (HTTP {status[:3]})" in str(error)
    assert f"redirects to {other.url}/v1" in check.message


def _bomb(encoding: str) -> bytes:
    """Return 64 MiB of one line of an event, compressed to less than 100 KiB."""
    content = b"data: " + b"x" * (64 * MIB)
    match encoding:
        case "gzip":
            return gzip.compress(content, 6)
    return zlib.compress(content, 6)


@pytest.mark.parametrize(
    ("name", "encoding", "status"),
    [
        *((name, "gzip", "200 OK") for name in PROVIDERS),
        ("openai-chat", "deflate", "200 OK"),
        ("openai-chat", "gzip", "500 Oops"),
        ("anthropic", "gzip", "500 Oops"),
        ("google", "gzip", "500 Oops"),
    ],
)
async def test_a_compressed_response_is_read_up_to_its_limit(name: str, encoding: str, status: str) -> None:
    bomb = BOMBS.setdefault(encoding, _bomb(encoding))
    head = _head(f"content-encoding: {encoding}", f"content-length: {len(bomb)}", status=status)
    async with _serving(HostileServer(head, iter([bomb]))) as server:
        error = await _error(PROVIDERS[name], server, ModelOptions(limits=LIMITS))
    if status == "200 OK":
        assert type(error) is ModelOutputInvalid
        assert "sent too much, and was cut off: more than 1,048,576 bytes in one event" in str(error)
    else:
        assert error.status == 500
        assert len(str(error)) < 2_000


async def test_a_response_that_is_compressed_twice_is_not_decoded() -> None:
    body = gzip.compress(gzip.compress(b"data: {}\n\n"))
    head = _head("content-encoding: gzip, gzip", f"content-length: {len(body)}")
    async with _serving(HostileServer(head, iter([body]))) as server:
        error = await _error(PROVIDERS["google"], server, ModelOptions(limits=LIMITS))
    assert type(error) is ModelOutputInvalid
    assert "it is compressed 2 times over" in str(error)


BOMBS: dict[str, bytes] = {}

ENDLESS = {
    "line": (b"data: ", b"x" * 65_536, "in one event"),
    "event of many lines": (b"data: {\n", (b"data: " + b"1," * 50 + b"\n") * 500, "in one event"),
    "JSON body": (b'{"choices": [', b"1,\n" * 20_000, "in one event"),
    "comments": (
        b"",
        b": still here, and here, and here, and here, and here, and here, and here\n\n" * 800,
        "more than 4,194,304 bytes",
    ),
}


@every_provider
@pytest.mark.parametrize("kind", ENDLESS)
async def test_no_more_than_the_limit_is_read_of_an_endless_response(name: str, kind: str) -> None:
    first, piece, reason = ENDLESS[kind]

    def pieces() -> Iterator[bytes]:
        yield first
        while True:
            yield piece

    async with _serving(HostileServer(STREAM, pieces())) as server:
        error = await _error(PROVIDERS[name], server, ModelOptions(limits=LIMITS))
        async with asyncio.timeout(20):
            await server.ended.wait()
    assert type(error) is ModelOutputInvalid
    assert reason in str(error)
    assert server.sent_bytes < 24 * MIB  # buffers of the sockets included


async def test_an_endless_error_is_cut_and_keeps_its_status() -> None:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b"No. " * 10_000

    async with _serving(HostileServer(_head(status="500 Oops"), pieces())) as server:
        error = await _error(PROVIDERS["anthropic"], server, ModelOptions(limits=LIMITS))
        async with asyncio.timeout(20):
            await server.ended.wait()
    assert error.status == 500
    assert server.sent_bytes < 24 * MIB


MANY = {
    "openai-chat": {
        "choices": [{"delta": {"tool_calls": [{"id": "c%", "function": {"name": "f", "arguments": "{}"}}]}}]
    },
    "openrouter": {"choices": [{"delta": {"reasoning_details": [{"type": "x", "id": "%"}]}}]},
    "openai-responses": {
        "type": "response.output_item.added",
        "item": {"type": "function_call", "call_id": "c%", "name": "f"},
    },
    "anthropic": {
        "type": "content_block_start",
        "index": "%",
        "content_block": {"type": "tool_use", "id": "c%", "name": "f"},
    },
    "google": {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "id": "c%"}}]}}]},
}


@every_provider
async def test_the_number_of_parts_is_limited(name: str) -> None:
    text = json.dumps(MANY[name])
    events = "".join(f"data: {text.replace('%', str(number))}\n\n" for number in range(200)).encode()
    async with _serving(HostileServer(STREAM, iter([events]))) as server:
        error = await _error(PROVIDERS[name], server, ModelOptions(limits=LIMITS))
    assert type(error) is ModelOutputInvalid
    assert "more than 50 texts, thoughts and calls" in str(error)


EMPTY = {
    "openai-chat": '{"choices": [{"delta": {"content": ""}}]}',
    "openrouter": '{"choices": [{"delta": {"content": "", "reasoning": ""}}]}',
    "openai-responses": '{"type": "response.output_text.delta", "delta": ""}',
    "anthropic": '{"type": "ping"}',
    "google": '{"candidates": [{"content": {"parts": [{"text": ""}]}}]}',
}


@every_provider
@pytest.mark.parametrize("sign", ["comments", "empty events"])
async def test_signs_of_life_without_content_keep_a_response_alive_for_a_limited_time(name: str, sign: str) -> None:
    piece = f"data: {EMPTY[name]}\n\n".encode() if sign == "empty events" else b": OPENROUTER PROCESSING\n\n"

    def pieces() -> Iterator[bytes]:
        while True:
            yield piece

    timeouts = ResponseTimeouts(first_byte=20, idle=20, content=0.3)
    async with _serving(HostileServer(STREAM, pieces(), pause=0.02)) as server:
        error = await _error(PROVIDERS[name], server, ModelOptions(timeouts=timeouts))
    assert type(error) is ModelTimedOut
    assert "no content came for 0.3 s (model_content_timeout)" in str(error)


@every_provider
@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", "no response began within 0.5 s (model_first_byte_timeout)"),
        (STREAM, "nothing came for 0.3 s (model_idle_timeout)"),
        (_head(status="503 Busy"), "no response began within 0.5 s (model_first_byte_timeout)"),
    ],
    ids=["no head", "nothing but a head", "an error without an end"],
)
async def test_a_server_that_hangs_is_given_up(name: str, head: bytes, reason: str) -> None:
    timeouts = ResponseTimeouts(first_byte=0.5, idle=0.3, content=20)
    async with _serving(HostileServer(head)) as server:
        error = await _error(PROVIDERS[name], server, ModelOptions(timeouts=timeouts))
        async with asyncio.timeout(20):
            await server.ended.wait()
    assert type(error) is ModelTimedOut
    assert reason in str(error)


@every_provider
async def test_a_server_that_accepts_no_connection_is_given_up(name: str) -> None:
    provider = PROVIDERS[name]
    options = ModelOptions(timeouts=ResponseTimeouts(connect=0.2))
    with full_backlog() as url:
        async with asyncio.timeout(20), aclosing(provider.model(base_url=url, options=options)) as model:
            with pytest.raises(ModelTimedOut, match="could not be connected to"):
                await model.respond(provider.request)


@every_provider
async def test_a_compressed_response_within_the_limits_is_read(name: str) -> None:
    wire = WIRES[name]
    body = gzip.compress(json.dumps(wire.body(wire.reason)).encode())
    head = _head("content-encoding: gzip", f"content-length: {len(body)}")
    provider = PROVIDERS[name]
    async with (
        _serving(HostileServer(head, iter([body]))) as server,
        aclosing(provider.model(base_url=server.url)) as model,
    ):
        assert (await model.respond(provider.request)).message.text == "Noon."
    assert "'accept-encoding': 'identity'" in server.requests[0]
