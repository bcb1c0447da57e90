from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.llm.shared.failures import ProviderStreamError, ResponseTooLarge
from agentkit.llm.shared.streams.server_events import ServerEvent, check_no_error, read_events

ONE: dict[str, JsonValue] = {"n": 1}
TWO: dict[str, JsonValue] = {"n": 2}


async def _chunks(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _read(*chunks: bytes) -> list[ServerEvent]:
    async with aclosing(read_events(_chunks(chunks))) as events:
        return [event async for event in events]


async def _data(*chunks: bytes) -> list[JsonValue]:
    return [event.data for event in await _read(*chunks)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'data: {"n": 1}\n\ndata: {"n": 2}\n\n', id="usual"),
        pytest.param(b'data:{"n": 1}\n\ndata:{"n": 2}\n\n', id="no space"),
        pytest.param(b'data: {"n": 1}\r\n\r\ndata: {"n": 2}\r\n\r\n', id="CR LF"),
        pytest.param(b'data: {"n": 1}\r\rdata: {"n": 2}\r\r', id="CR"),
        pytest.param(b'data: {"n": 1}\ndata: {"n": 2}\n', id="no empty lines"),
        pytest.param(b'data: {"n": 1}\n\ndata: {"n": 2}', id="no line end at the end"),
        pytest.param(b'data: {"n":\ndata:  1}\n\ndata: {"n": 2}\n\n', id="data in two lines"),
        pytest.param(b': hello\n\ndata: {"n": 1}\n: ping\n\n\n\ndata: {"n": 2}\n\n', id="comments"),
        pytest.param(b'id: 7\nretry: 3\ndata: {"n": 1}\n\nid: 8\ndata: {"n": 2}\n\n', id="other fields"),
        pytest.param(b'\xef\xbb\xbfdata: {"n": 1}\n\ndata: {"n": 2}\n\n', id="byte order mark"),
        pytest.param(b'\n\ndata: {"n": 1}\n\ndata: {"n": 2}\n\n', id="empty lines at the beginning"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
async def test_events_are_read_in_every_dialect_and_in_chunks_of_any_size(body: bytes, size: int) -> None:
    assert await _data(*(body[start : start + size] for start in range(0, len(body), size))) == [ONE, TWO]


@given(st.lists(st.text(), max_size=3), st.lists(st.integers(min_value=1, max_value=9), min_size=1))
def test_any_text_arrives_whatever_the_chunks(texts: list[str], sizes: list[int]) -> None:
    body = "".join(f"data: {json.dumps(text, ensure_ascii=False)}\n\n" for text in texts).encode()
    chunks: list[bytes] = []
    start = 0
    while start < len(body):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(body[start : start + size])
        start += size
    assert asyncio.run(_data(*chunks)) == texts


async def test_an_event_has_the_name_of_its_event_line() -> None:
    body = b'event: start\ndata: {"n": 1}\n\ndata: {"n": 2}\n\nevent: ping\n\n'
    assert await _read(body) == [
        ServerEvent("event", ONE, "start"),
        ServerEvent("event", TWO),
        ServerEvent("ping", name="ping"),
    ]


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b"data:[DONE]", b"data: [DONE] \r\n\r\n"])
async def test_nothing_is_read_after_the_end(end: bytes) -> None:
    assert await _read(b'data: {"n": 1}\n\n', end, b"data: never\n\n") == [
        ServerEvent("event", ONE),
        ServerEvent("end"),
    ]


async def test_a_connection_that_stays_open_after_the_end_is_not_waited_for() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"data: [DONE]\n\n"
        await asyncio.Event().wait()

    async with asyncio.timeout(10), aclosing(read_events(chunks())) as events:
        assert [event async for event in events] == [ServerEvent("end")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"n": 1}', [ONE], id="object"),
        pytest.param(b'\n  {\n "n":\r\n 1\n}\n', [ONE], id="object in several lines"),
        pytest.param(b'[{"n": 1},\n{"n": 2}]', [ONE, TWO], id="array, as of Gemini"),
    ],
)
@pytest.mark.parametrize("size", [1, 1_000])
async def test_a_body_that_is_json_is_no_event_of_a_stream(body: bytes, expected: list[JsonValue], size: int) -> None:
    events = await _read(*(body[start : start + size] for start in range(0, len(body), size)))
    assert events == [ServerEvent("body", item) for item in expected]


@pytest.mark.parametrize("body", [b"", b"\n\n", b"<html>Hello</html>", b": only a comment\n\n", b"data:\n\n"])
async def test_a_body_without_events_is_empty(body: bytes) -> None:
    assert await _read(body) == []


@pytest.mark.parametrize("body", [b"data: {\n\n", b"data: one\ndata: two\n\n", b"{", b"data: keep-alive\n\n"])
async def test_data_that_is_no_json_is_an_error(body: bytes) -> None:
    with pytest.raises(json.JSONDecodeError):
        await _read(body)


async def test_data_that_is_no_utf8_is_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        await _read(b'data: {"n": "\xff"}\n\n')


async def test_a_ping_may_have_any_text() -> None:
    assert [event.kind for event in await _read(b"event: ping\ndata: still here\n\n")] == ["ping"]


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        pytest.param(b'data: {"error": {"message": "busy"}}\n\n', {"message": "busy"}, id="an error field"),
        pytest.param(b'event: error\ndata: {"message": "busy"}\n\n', {"message": "busy"}, id="an error event"),
        pytest.param(b'event: error\ndata: {"error": "busy"}\n\n', "busy", id="both"),
        pytest.param(b"event: error\ndata: Service busy\n\n", "Service busy", id="plain text"),
        pytest.param(b'{"error": {"message": "busy"}}', {"message": "busy"}, id="a body"),
    ],
)
async def test_an_event_that_reports_an_error_raises_it(body: bytes, reported: JsonValue) -> None:
    (event,) = await _read(body)
    with pytest.raises(ProviderStreamError) as caught:
        check_no_error(event)
    assert caught.value.body == reported


@pytest.mark.parametrize("data", [None, [], {"error": None}, {"error": ""}, ONE])
def test_an_event_without_an_error_is_accepted(data: JsonValue) -> None:
    check_no_error(ServerEvent("event", data, "start"))


@pytest.mark.parametrize("line", [b"data: {}\n\n", b": ping\n", b"data:\n", b"other: 1\n", b"\n"])
async def test_other_tasks_get_their_turn_while_a_flood_of_lines_is_read(line: bytes) -> None:
    turns = 0

    async def other_task() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)  # one turn

    task = asyncio.create_task(other_task())
    with suppress(ResponseTooLarge):
        await _read(line * 100_000)
    task.cancel()
    assert turns > 3


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" + b"[]," * 300_000 + b"[]]", id="lists"),
        pytest.param(b"[" + b"{}," * 300_000 + b"{}]", id="objects"),
        pytest.param(b"{" + b",".join(b'"%d":1' % number for number in range(300_000)) + b"}", id="fields"),
    ],
)
@pytest.mark.parametrize("prefix", [b"", b"data: "], ids=["body", "event"])
async def test_an_event_with_too_many_values_is_refused_before_it_is_parsed(prefix: bytes, body: bytes) -> None:
    with pytest.raises(ResponseTooLarge, match=r"more than 250,000 \w+ in one event"):
        await _read(prefix + body + b"\n\n")
