"""Responses of a real server that never end, in each of their parts: none is read without bound or for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping

import pytest

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.web import PublicFetcher
from tests.unit.agentkit.web.scripted_site import LOOPBACK, ScriptedSite, page

TEXT = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
CHUNKED = TEXT + b"transfer-encoding: chunked\r\n\r\n"

Write = Callable[[asyncio.StreamWriter], Coroutine[None, None, None]]


def endless(first: bytes, piece: bytes, sent: list[int], pause_s: float = 0) -> Write:
    """Return a response: ``first``, then ``piece`` without end; ``sent`` gets the length of each piece."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()
            sent.append(len(piece))
            await asyncio.sleep(pause_s)

    return write


HEADS: Mapping[str, tuple[bytes, bytes]] = {
    "header": (b"HTTP/1.1 200 OK\r\nx: ", b"a" * 65_536),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 8_192),
    "status line": (b"HTTP/1.1 200 ", b"a" * 65_536),
    "extension of a chunk": (CHUNKED + b"1;", b"a" * 65_536),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"a: b\r\n" * 8_192),
}


@pytest.mark.parametrize("part", HEADS)
async def test_headers_and_trailers_are_read_up_to_a_limit(site: ScriptedSite, part: str) -> None:
    sent: list[int] = []
    site.responses["/"] = endless(*HEADS[part], sent)
    with pytest.raises(ToolUnavailable, match=r"or it broke off: .* too long"):
        await PublicFetcher(allow=LOOPBACK).fetch(site.url(), max_bytes=10_000, timeout_s=60)
    assert sum(sent) < 20_000_000  # buffers of the sockets included


SLOW: Mapping[str, tuple[bytes, bytes]] = {
    "interim responses": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
    "a header, byte by byte": (b"HTTP/1.1 200 OK\r\nx: ", b"a"),
    "a body, byte by byte": (TEXT + b"\r\n", b"a"),
    "a chunked body, byte by byte": (CHUNKED, b"1\r\na\r\n"),
    "empty compressed blocks": (
        TEXT + b"content-encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03",
        b"\0\0\0\xff\xff",
    ),
}


@pytest.mark.parametrize("part", SLOW)
async def test_the_timeout_is_for_the_whole_response_even_if_bytes_keep_coming(site: ScriptedSite, part: str) -> None:
    site.responses["/"] = endless(*SLOW[part], [], pause_s=0.01)
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"took longer than 0\.5 s"):
        await PublicFetcher(allow=LOOPBACK).fetch(site.url(), max_bytes=100_000, timeout_s=0.5)
    assert time.monotonic() - started < 20


async def test_the_body_of_a_redirect_is_not_read(site: ScriptedSite) -> None:
    sent: list[int] = []
    site.responses["/"] = endless(b"HTTP/1.1 302 Found\r\nlocation: /page\r\n\r\n", b"a" * 65_536, sent)
    site.responses["/page"] = page("hello")
    result = await PublicFetcher(allow=LOOPBACK).fetch(site.url(), max_bytes=10_000, timeout_s=60)
    assert result.text == "hello"
    assert sum(sent) < 20_000_000
