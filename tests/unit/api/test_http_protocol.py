"""The HTTP server with clients that are slow, silent or many, over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.client_address import TrustedProxies, client_key, grpc_peer
from api.http_protocol import HttpConfig, HttpLimits

WITHIN = 20.0
LIMITS = HttpLimits(50, header_timeout=30.0, body_timeout=30.0, write_timeout=30.0, keep_alive_timeout=30)
SHORT = 0.2
LARGE = 20 * 1_048_576
REQUEST = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the size of the body; ``/large`` with so many bytes."""
    if scope["type"] != "http":
        return
    if scope["path"] in ("/early", "/stream"):
        await respond_without_reading(send, is_complete=scope["path"] == "/early")
    if scope["path"] == "/early":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    if scope["path"] == "/stream":
        return
    body = b"x" * LARGE if scope["path"] == "/large" else str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def respond_without_reading(send: Send, *, is_complete: bool) -> None:
    await send({"type": "http.response.start", "status": 401, "headers": [(b"transfer-encoding", b"chunked")]})
    await send({"type": "http.response.body", "body": b"refused", "more_body": not is_complete})


@asynccontextmanager
async def serving(limits: HttpLimits, served: ASGIApp = app, trusted_proxies: Sequence[str] = ()) -> AsyncIterator[int]:
    """Serve an application; give the port."""
    server = uvicorn.Server(HttpConfig(served, limits, grace_s=1, trusted_proxies=trusted_proxies))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await asyncio.wait_for(running, WITHIN)


async def connect(port: int, data: bytes = b"") -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def rest_of(connection: Connection) -> bytes:
    """Return what comes until the server closes the connection."""
    reader, writer = connection
    try:
        async with asyncio.timeout(WITHIN):
            return await reader.read()
    finally:
        writer.close()


async def eventually_served(port: int) -> bool:
    """Send requests until one isn't refused; return whether one was served in time."""
    request = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b""
    deadline = asyncio.get_running_loop().time() + WITHIN
    while asyncio.get_running_loop().time() < deadline:
        if status_of(await rest_of(await connect(port, request))) == 200:
            return True
    return False


def status_of(response: bytes) -> int:
    """Return the status of a response; 0 for none."""
    return int(response.split(b" ", 2)[1]) if response else 0


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"


@pytest.mark.parametrize(
    ("limits", "part"),
    [(replace(LIMITS, header_timeout=SHORT), HEAD), (replace(LIMITS, body_timeout=SHORT), HEAD + b"\r\nfour")],
    ids=["headers", "body"],
)
async def test_a_request_that_is_not_complete_in_time_gets_a_408(limits: HttpLimits, part: bytes) -> None:
    async with serving(limits) as port:
        response = await rest_of(await connect(port, part))
    assert status_of(response) == 408
    body = json.loads(response.partition(b"\r\n\r\n")[2])
    assert (body["status"], body["type"]) == (408, "urn:opspawn:problem:request-timeout")


async def test_single_bytes_dont_extend_the_time_of_the_headers() -> None:
    async with serving(replace(LIMITS, header_timeout=SHORT)) as port:
        reader, writer = await connect(port, b"GET / HTTP/1.1\r\nX: ")

        async def drip() -> None:
            while not writer.is_closing():
                writer.write(b"x")
                await asyncio.sleep(SHORT / 10)

        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(WITHIN):
            assert status_of(await reader.readuntil(b"\r\n")) == 408
        writer.close()
        await dripping


@pytest.mark.parametrize(
    ("limits", "sent", "received"),
    [
        (replace(LIMITS, header_timeout=SHORT), b"", 0),
        (replace(LIMITS, keep_alive_timeout=0), REQUEST % b"", 1),
        (replace(LIMITS, header_timeout=SHORT), REQUEST % b"" + b"GET", 2),
    ],
    ids=["silent", "idle", "cut-second-request"],
)
async def test_an_idle_connection_is_closed(limits: HttpLimits, sent: bytes, received: int) -> None:
    async with serving(limits) as port:
        connection = await connect(port, sent)
        if received == 2:  # what follows the first response is a request of its own
            await connection[0].readuntil(b"\r\n\r\n0")
            connection[1].write(b" ")
        response = await rest_of(connection)
    assert response.count(b"HTTP/1.1") == min(received, 1)


async def test_a_client_that_reads_nothing_is_disconnected_and_a_slow_one_is_not() -> None:
    async with serving(replace(LIMITS, write_timeout=SHORT)) as port:
        stuck, stuck_writer = await connect(port, REQUEST % b"large")
        slow, slow_writer = await connect(port, REQUEST % b"large")
        count = 0
        async with asyncio.timeout(WITHIN):
            while count < LARGE:
                count += len(await slow.read(1_048_576))
                await asyncio.sleep(SHORT / 10)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await stuck.readexactly(LARGE)
        slow_writer.close()
        stuck_writer.close()


async def test_connections_over_the_limit_get_a_503_and_still_more_are_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(replace(LIMITS, max_connections=2)) as port:
        held = [await connect(port) for _ in range(2)]
        for _ in range(3):
            response = await rest_of(await connect(port, REQUEST % b"api"))
            assert status_of(response) == 503
            assert b"retry-after" in response.lower()
            assert b"max_connections" in response
        liveness = await connect(port, REQUEST % b"healthz")
        assert status_of(await liveness[0].readuntil(b"\r\n")) == 200
        more = [await connect(port) for _ in range(101)]
        assert await rest_of(more[-1]) == b""
        for _, writer in [*held, liveness, *more]:
            writer.close()
        assert await eventually_served(port)
    assert [record.name for record in caplog.records].count("api.http_protocol") == 1


async def test_an_upgrade_is_ignored_without_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    upgrade = b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with serving(LIMITS) as port:
        reader, writer = await connect(port, (REQUEST % b"").replace(b"\r\n\r\n", upgrade))
        assert status_of(await reader.readuntil(b"\r\n")) == 200
        writer.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("data", "status", "kind"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, 431, "headers-too-large", id="headers"),
        pytest.param(b"\0 nonsense\r\n\r\n", 400, "bad-request", id="nonsense"),
    ],
)
async def test_bytes_that_are_refused_get_a_problem(data: bytes, status: int, kind: str) -> None:
    async with serving(LIMITS) as port:
        response = await rest_of(await connect(port, data))
    assert status_of(response) == status
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["type"] == f"urn:opspawn:problem:{kind}"


CHUNKED = b"%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(("path", "end"), [(b"early", b"0\r\n\r\n"), (b"stream", b"")])
async def test_a_wrong_body_after_the_response_has_begun_closes_the_connection_alone(
    path: bytes, end: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(LIMITS) as port:
        reader, writer = connection = await connect(port, CHUNKED % (b"POST /" + path))
        async with asyncio.timeout(WITHIN):
            await reader.readuntil(b"refused\r\n")
        writer.write(b"ZZ\r\n")
        assert await rest_of(connection) == end
    assert errors_in(caplog) == []


@pytest.mark.parametrize(
    ("data", "limits", "status"),
    [
        pytest.param(CHUNKED % b"HEAD /" + b"ZZ\r\n", LIMITS, 400, id="wrong body"),
        pytest.param(HEAD.replace(b"POST", b"HEAD") + b"\r\n", replace(LIMITS, body_timeout=SHORT), 408, id="no body"),
    ],
)
async def test_a_refused_head_request_gets_no_body(
    data: bytes, limits: HttpLimits, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(limits) as port:
        response = await rest_of(await connect(port, data))
    assert status_of(response) == status
    assert response.endswith(b"\r\n\r\n")
    assert errors_in(caplog) == []


async def test_a_long_url_is_served_however_it_arrives() -> None:
    request = REQUEST.replace(b"Host", b"Connection: close\r\nHost") % (b"?q=" + b"%F0%9F%92%A7" * 4_000)
    async with serving(LIMITS) as port:
        whole = await rest_of(await connect(port, request))
        connection = await connect(port, request[:-2])
        assert await eventually_served(port)  # the server has read the first part then
        connection[1].write(request[-2:])
        assert status_of(whole) == status_of(await rest_of(connection)) == 200


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("10.0.0.7", "203.0.113.7", "203.0.113.7", id="IPv4"),
        pytest.param("::ffff:10.0.0.7", "203.0.113.7", "203.0.113.7", id="IPv4 on a socket for both"),
        pytest.param("::ffff:192.0.2.1", "203.0.113.7", "203.0.113.7", id="mapped in the setting"),
        pytest.param("192.0.2.1", "203.0.113.7", "203.0.113.7", id="mapped in the setting alone"),
        pytest.param("10.0.0.7", "203.0.113.7, ::ffff:10.0.0.8", "203.0.113.7", id="a proxy before it"),
        pytest.param("10.0.0.7", "203.0.113.7, ", "10.0.0.7", id="an empty address"),
        pytest.param("::ffff:11.0.0.7", "203.0.113.7", "11.0.0.7", id="no proxy"),
    ],
)
async def test_http_and_grpc_find_the_same_client(peer: str, forwarded: str, expected: str) -> None:
    proxies = ("10.0.0.0/8", "::ffff:192.0.2.0/120")
    clients: list[str] = []

    async def keep_client(scope: Scope, receive: Receive, send: Send) -> None:
        clients.append(client_key(scope["client"][0]))

    config = HttpConfig(keep_client, LIMITS, grace_s=1, trusted_proxies=proxies)
    config.load()
    headers = [(b"x-forwarded-for", forwarded.encode())]
    scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": headers}
    await config.loaded_app(scope, None, None)
    over_grpc = TrustedProxies(proxies).client(grpc_peer(f"ipv6:%5B{peer}%5D:5000"), [forwarded])
    assert [*clients, client_key(over_grpc)] == [expected, expected]


async def test_only_a_trusted_proxy_names_the_client() -> None:
    clients: list[str] = []

    async def keep_client(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            clients.append(scope["client"][0])
        await app(scope, receive, send)

    request = (
        REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\nX-Forwarded-For: 1.2.3.4, 203.0.113.7\r\n\r\n") % b""
    )
    for proxies in ((), ("127.0.0.0/8",)):
        async with serving(LIMITS, keep_client, proxies) as port:
            await rest_of(await connect(port, request))
    assert clients == ["127.0.0.1", "203.0.113.7"]
