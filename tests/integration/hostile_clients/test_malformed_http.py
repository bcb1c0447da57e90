"""Bytes that are no request, or too much of one, over a real socket: each is refused as the client's error."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.integration.api.conftest import settings_for
from tests.integration.hostile_clients.logged_process import logged_process

_TIMEOUT_S = 30.0
_HEAD = b"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_GET = b"GET /api/v1/tasks%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n"


def _post(body: bytes) -> bytes:
    return _HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


_REQUESTS = {
    "a zero byte": b"\0",
    "lines only": b"\r\n" * 5_000 + b"x\r\n\r\n",
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xab" * 400 + b"\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an endless line": b"GET /" + b"a" * 1_000_000,
    "an endless header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000,
    "a hundred thousand headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 100_000 + b"\r\n",
    "no host": b"GET /api/v1/tasks HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": _GET % (b"", b"Host: evil.example\r\n"),
    "a header without a name": _GET % (b"", b": x\r\n"),
    "a zero byte in a header": _GET % (b"", b"X: a\0b\r\n"),
    "a version that is none": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "two lengths": _HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a negative length": _HEAD + b"Content-Length: -1\r\n\r\n",
    "a length of 30 digits": _HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}",
    "a length beyond the limit": _HEAD + b"Content-Length: 999999999999\r\n\r\n{}",
    "chunks and a length": _HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "an unknown coding": _HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "a chunk of no size": _CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a chunk of a negative size": _CHUNKED + b"-5\r\n{}\r\n0\r\n\r\n",
    "a chunk of 2**64 bytes": _CHUNKED + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "chunks beyond the limit": _CHUNKED + (b"100000\r\n" + b"x" * 1_048_576 + b"\r\n") * 20,
    "no JSON": _post(b"\xff\xfe{"),
    "JSON nested 100,000 deep": _post(b"[" * 100_000),
    "a key repeated": _post(b'{"agent": "assistant", "agent": "x", "input": "Hi", "nothing": 1}'),
    "a number of 10,000 digits": _post(b'{"agent": "assistant", "input": ' + b"9" * 10_000 + b"}"),
    "half a surrogate": _post(b'{"agent": "assistant", "input": "\\ud800"}'),
    "a body that says gzip": _HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "a path out of the root": b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "a path with a zero byte": _GET % (b"/%00", b""),
    "a path that is no UTF-8": _GET % (b"/%ff%fe", b""),
    "a query that is no UTF-8": _GET % (b"?cursor=%ff%fe", b""),
    "a query of 60,000 parameters": _GET % (b"?" + b"a&" * 30_000, b""),
    "a position that is none": _GET % (b"/task-x/events", b"Last-Event-ID: \xff\xfe'--\r\n"),
    "a position of all tasks": _GET % (b"/events", b"Last-Event-ID: " + b"9" * 5_000 + b"\r\nAccept: nothing\r\n"),
    "an unknown method": b"BREW /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
}


async def _response(port: int, data: bytes) -> bytes:
    """Send bytes, then no more; return what comes back, up to the end of the headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(_TIMEOUT_S):
            return await reader.readuntil(b"\r\n\r\n")
    except (OSError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()


def _is_client_error(response: bytes) -> bool:
    """Return whether it is a 4xx, or a connection that was closed without one."""
    return not response or re.match(rb"HTTP/1.1 4\d\d ", response) is not None


async def test_malformed_and_oversized_requests_are_client_errors_and_leave_no_trace(
    tmp_path: Path, temporal_port: int
) -> None:
    async with logged_process(settings_for(tmp_path, temporal_port)) as api:
        responses = {name: await _response(api.port, data) for name, data in _REQUESTS.items()}
        for other_port in (api.grpc_port, api.relay_port):
            await asyncio.gather(*(_response(other_port, data) for data in _REQUESTS.values()))
        alive = await _response(api.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        logged = await api.stop()
    assert {name: each for name, each in responses.items() if not _is_client_error(each)} == {}
    assert len([each for each in responses.values() if each]) > len(responses) / 2
    assert alive.startswith(b"HTTP/1.1 200 ")
    assert b"Traceback" not in logged, logged.decode()
