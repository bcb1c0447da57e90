"""Replies of HTTP servers that are longer than is read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from agentkit.mcp.reply_limits import ReplyTooLong, bounded_events, read_bounded, shortened_reply

LIMIT = 1_000


async def chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def tool_reply(*texts: str, **result: object) -> bytes:
    content = [{"type": "text", "text": text} for text in texts]
    return json.dumps({"result": {"content": content, **result}, "jsonrpc": "2.0", "id": 7}).encode()


async def test_a_short_body_is_read_whole() -> None:
    assert await read_bounded(chunks(b"x" * LIMIT, 7), LIMIT) == (b"x" * LIMIT, True)


async def test_a_long_body_is_read_up_to_the_limit() -> None:
    assert await read_bounded(chunks(b"x" * 5_000, 7), LIMIT) == (b"x" * LIMIT, False)


def test_the_start_of_a_tools_result_is_a_reply_to_the_request() -> None:
    shortened = shortened_reply(tool_reply("whole", "y" * 5_000)[:LIMIT], LIMIT, 7)
    assert shortened is not None
    reply = json.loads(shortened)
    whole, start, note = reply["result"]["content"]
    assert reply["id"] == 7
    assert whole["text"] == "whole"
    assert set(start["text"]) == {"y"}
    assert note["text"] == "[The result is longer than max_result_bytes (1,000 bytes): this is its start.]"


def test_an_image_is_never_cut() -> None:
    image = {"type": "image", "data": "A" * 5_000, "mimeType": "image/png"}
    start = json.dumps({"id": 7, "result": {"content": [{"type": "text", "text": "chart"}, image]}}).encode()[:LIMIT]
    shortened = shortened_reply(start, LIMIT, 7)
    assert shortened is not None
    assert [part["type"] for part in json.loads(shortened)["result"]["content"]] == ["text", "text"]


def test_other_replies_are_not_shortened() -> None:
    assert shortened_reply(b'{"result": {"tools": [{"name": "a', LIMIT, 7) is None
    assert shortened_reply(b"<html>", LIMIT, 7) is None


@pytest.mark.parametrize("size", [1, 3, 1_000_000])
@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
async def test_events_pass_unchanged_in_chunks_of_any_size(size: int, end: str) -> None:
    events = "".join(f"event: message\ndata: {number}{end}" for number in range(50)).encode() + b"data: rest"
    passed = [part async for part in bounded_events(chunks(events, size), LIMIT, lambda: 7)]
    assert b"".join(passed) == events


@pytest.mark.parametrize("size", [1, 64, 1_000_000])
async def test_a_long_event_is_shortened_and_is_the_last(size: int) -> None:
    short = b'event: message\ndata: {"method": "notifications/progress"}\n\n'
    long = b"event: message\ndata: " + tool_reply("z" * 100_000) + b"\n\n"
    first, last = [part async for part in bounded_events(chunks(short + long, size), LIMIT, lambda: 7)]
    assert first == short
    reply = json.loads(last.removeprefix(b"event: message\ndata: "))
    assert (reply["id"], len(reply["result"]["content"])) == (7, 2)


async def test_a_long_event_of_another_kind_is_an_error() -> None:
    with pytest.raises(ReplyTooLong, match=r"longer than max_result_bytes \(1,000 bytes\)"):
        _ = [part async for part in bounded_events(chunks(b"data: " + b"x" * 5_000, 100), LIMIT, lambda: 7)]
