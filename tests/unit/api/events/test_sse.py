"""How events are sent: frames, heartbeats, and each end of a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.types import Message

from api.events.event import Event
from api.events.event_position import Position
from api.events.sse import EventStream, comment, frame
from api.tasks.errors import WatchInterrupted

AT = datetime(2026, 11, 21, 20, 0, 0, 5, tzinfo=UTC)
RUN_ID = "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"
DURABLE = Event("model.failed", "t", AT, {"error": "a\nb\r\u2028c\n\nid: 7"}, 2, Position(RUN_ID, 9, 1))
LIVE = Event("model.delta", "t", AT, {"text": "x"}, 2)
TIMEOUT_S = 10


@dataclass
class Connection:
    """A client's connection: what was sent to it, and when the client disconnects."""

    sent: list[Message] = field(default_factory=list)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.changed.set()

    async def block_at_durable_event(self, message: Message) -> None:
        await self.send(message)
        if DURABLE.json in message.get("body", b""):
            await asyncio.Event().wait()

    async def receive(self) -> Message:
        await self.disconnected.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    async def until(self, text: bytes) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while text not in self.body:
                await self.changed.wait()
                self.changed.clear()


@dataclass
class Source:
    """Events, then silence, an error or the end."""

    events: tuple[Event, ...] = ()
    silent: bool = False
    error: Exception | None = None
    closed: bool = False

    async def generate(self) -> AsyncGenerator[Event, None]:
        try:
            for event in self.events:
                yield event
            if self.error is not None:
                raise self.error
            if self.silent:
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def stream(
    source: Source,
    connection: Connection,
    stopping: asyncio.Event | None = None,
    send: Callable[[Message], Awaitable[None]] | None = None,
    **options: Any,
) -> None:
    response = EventStream(source.generate(), stopping or asyncio.Event(), **options)
    await asyncio.wait_for(response({"type": "http"}, connection.receive, send or connection.send), TIMEOUT_S)


def test_a_frame_is_one_event_whatever_its_data() -> None:
    text = frame(DURABLE)
    assert text.endswith(b"\n\n")
    assert text.count(b"\n") == 4
    assert b"\r" not in text
    event_type, position, data = text.decode().split("\n")[:3]
    assert event_type == "event: model.failed"
    assert position == f"id: {Position(RUN_ID, 9, 1).encode('t')}"
    assert data == f"data: {DURABLE.json.decode()}"
    assert json.loads(data.removeprefix("data: "))["error"] == "a\nb\r\u2028c\n\nid: 7"


def test_a_live_event_has_no_id() -> None:
    assert b"id:" not in frame(LIVE).replace(b"task_id", b"")


def test_a_comment_is_one_line() -> None:
    assert comment("a\nevent: b\r\n") == b": a event: b\n\n"


async def test_events_are_sent_in_order_and_then_the_response_ends() -> None:
    source, connection = Source((DURABLE, LIVE)), Connection()
    await stream(source, connection, first=[LIVE])
    assert connection.body == b"retry: 1000\n\n" + frame(LIVE) + frame(DURABLE) + frame(LIVE)
    assert connection.sent[-1]["more_body"] is False
    assert source.closed


async def test_a_comment_is_sent_after_each_interval_of_silence() -> None:
    source, connection = Source((DURABLE,), silent=True), Connection()
    streaming = asyncio.create_task(stream(source, connection, heartbeat_interval_s=0.01))
    await connection.until(frame(DURABLE) + b": still here\n\n: still here\n\n")
    connection.disconnected.set()
    await streaming


async def test_a_silent_stream_ends_when_the_client_disconnects() -> None:
    source, connection = Source((DURABLE,), silent=True), Connection()
    streaming = asyncio.create_task(stream(source, connection))
    await connection.until(frame(DURABLE))
    connection.disconnected.set()
    await streaming
    assert source.closed


async def test_a_stream_ends_with_a_comment_when_the_server_stops() -> None:
    source, connection, stopping = Source((DURABLE,), silent=True), Connection(), asyncio.Event()
    streaming = asyncio.create_task(stream(source, connection, stopping))
    await connection.until(frame(DURABLE))
    stopping.set()
    await streaming
    assert connection.body.endswith(b": The server stops. Reconnect, and resume after the last event.\n\n")
    assert connection.sent[-1]["more_body"] is False
    assert source.closed


async def test_an_interrupted_watch_ends_with_its_reason_as_a_comment() -> None:
    source, connection = Source((DURABLE,), error=WatchInterrupted("Too slow.\nGo on.")), Connection()
    await stream(source, connection)
    assert connection.body.endswith(frame(DURABLE) + b": Too slow. Go on.\n\n")
    assert connection.sent[-1]["more_body"] is False
    assert source.closed


async def test_a_client_that_accepts_nothing_is_cut_off() -> None:
    source, connection = Source((DURABLE, LIVE)), Connection()
    await stream(source, connection, send=connection.block_at_durable_event, slow_watcher_timeout_s=0.01)
    assert frame(DURABLE) in connection.body
    assert frame(LIVE) not in connection.body
    assert source.closed


async def test_an_error_of_the_events_is_raised_and_closes_them() -> None:
    source, connection = Source((DURABLE,), error=ValueError("a bug")), Connection()
    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="a bug")):
        await stream(source, connection)
    assert connection.sent[-1].get("more_body") is True
    assert source.closed


async def test_an_event_needs_no_task_of_its_own() -> None:
    created = 0
    loop = asyncio.get_running_loop()

    def counted(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        nonlocal created
        created += 1
        return asyncio.Task(coro, loop=loop, **options)

    response = EventStream(Source((LIVE,) * 100).generate(), asyncio.Event())
    connection = Connection()
    loop.set_task_factory(counted)
    try:
        await response({"type": "http"}, connection.receive, connection.send)
    finally:
        loop.set_task_factory(None)
    assert connection.body.count(frame(LIVE)) == 100
    assert created == 2, "one waits for the client's disconnection, one for silence"


async def test_a_client_that_is_slow_to_accept_the_comment_of_silence_is_cut_off() -> None:
    source, connection = Source((DURABLE,), silent=True), Connection()

    async def send(message: Message) -> None:
        await connection.send(message)
        if b"still here" in message.get("body", b""):
            await asyncio.Event().wait()

    await stream(source, connection, send=send, heartbeat_interval_s=0.01, slow_watcher_timeout_s=0.01)
    assert source.closed


async def test_the_stop_of_the_server_ends_the_stream_of_a_client_that_accepts_nothing() -> None:
    source, connection, stopping = Source((DURABLE, LIVE)), Connection(), asyncio.Event()
    streaming = asyncio.create_task(
        stream(source, connection, stopping, send=connection.block_at_durable_event, slow_watcher_timeout_s=5)
    )
    await connection.until(frame(DURABLE))
    stopping.set()
    await streaming
    assert frame(LIVE) not in connection.body
    assert connection.body.endswith(b": The server stops. Reconnect, and resume after the last event.\n\n")


async def test_an_error_of_the_connection_while_a_comment_is_sent_ends_the_stream() -> None:
    source, connection = Source((DURABLE,), silent=True), Connection()

    async def send(message: Message) -> None:
        if b"still here" in message.get("body", b""):
            raise OSError("broken")
        await connection.send(message)

    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="broken")):
        await stream(source, connection, send=send, heartbeat_interval_s=0.01)
    assert source.closed


async def test_events_that_are_there_at_once_are_sent_in_one_write() -> None:
    async def batches() -> AsyncGenerator[Sequence[Event], None]:
        yield [DURABLE, LIVE]

    connection = Connection()
    response = EventStream(batches(), asyncio.Event(), first=[LIVE, LIVE])
    await response({"type": "http"}, connection.receive, connection.send)
    bodies = [message["body"] for message in connection.sent[1:]]
    assert bodies == [b"retry: 1000\n\n" + 2 * frame(LIVE), frame(DURABLE) + frame(LIVE), b""]
