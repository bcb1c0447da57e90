"""Bodies whose decoders do work without end and yield nothing: from a real server, through the fetcher."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from agentkit.errors import ToolError
from agentkit.web import PublicFetcher
from tests.unit.agentkit.web.scripted_site import LOOPBACK, ScriptedSite, page, serve_site

MIB = 1_048_576
GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
EMPTY_BLOCKS = b"\0\0\0\xff\xff" * 200_000
"""A megabyte of deflate's stored blocks without content."""


@pytest.fixture
async def site() -> AsyncIterator[ScriptedSite]:
    async with serve_site() as started:
        yield started


def nested_empty_blocks(megabytes: int) -> bytes:
    """Return a body whose innermost decoder gets so much and yields nothing; it is compressed three times."""
    outer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    parts = [outer.compress(GZIP_HEADER), *(outer.compress(EMPTY_BLOCKS) for _ in range(megabytes)), outer.flush()]
    return gzip.compress(b"".join(parts), 9)


async def fetch_error(site: ScriptedSite, timeout_s: float = 30) -> str:
    with pytest.raises(ToolError) as raised:
        await PublicFetcher(allow=LOOPBACK).fetch(site.url(), max_bytes=10_000, timeout_s=timeout_s)
    return str(raised.value)


async def test_a_body_that_is_compressed_several_times_does_not_hold_up_the_event_loop(site: ScriptedSite) -> None:
    body = nested_empty_blocks(300)
    assert len(body) < 5_000
    site.responses["/"] = page(
        body, "content-type: text/plain", "content-encoding: gzip, gzip", "content-encoding: gzip"
    )
    assert "can't be read: it is compressed 3 times over" in await fetch_error(site)


async def test_what_follows_the_end_of_a_compressed_body_is_not_kept_without_bound(site: ScriptedSite) -> None:
    sent = 0

    async def with_more(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\n\r\n")
        writer.write(gzip.compress(b"x"))
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    site.responses["/"] = with_more
    assert "can't be read: it has more than 4,194,304 bytes, compressed" in await fetch_error(site)
    assert 4 * MIB <= sent < 24 * MIB  # buffers of the sockets included


@pytest.mark.parametrize("codings", ["identity", "gzip", "identity, gzip", "GZIP"])
async def test_one_coding_is_decoded(site: ScriptedSite, codings: str) -> None:
    body = b"hello" if codings == "identity" else gzip.compress(b"hello")
    site.responses["/"] = page(body, "content-type: text/plain", f"content-encoding: {codings}")
    result = await PublicFetcher(allow=LOOPBACK).fetch(site.url(), max_bytes=10_000, timeout_s=30)
    assert result.text == "hello"
