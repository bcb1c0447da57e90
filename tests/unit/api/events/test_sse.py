"""How events are sent: frames, heartbeats, and every way a stream ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.types import Message

from api.events.event import Event
from api.events.event_position import Position
from api.events.sse import EventStream, comment, frame
from api.tasks.errors import WatchInterrupted

AT = datetime(2026, 11, 21, 20, 0, 0, 5, tzinfo=UTC)
RUN_ID = "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"
DURABLE = Event("model.failed", "t", AT, {"error": "a\nb\r\u2028c\n\nid: 7"}, 2, Position(RUN_ID, 9, 1))
LIVE = Event("model.delta", "t", AT, {"text": "x"}, 2)


@dataclass
class Line:
    """A connection: what was sent, and when the client goes away."""

    sent: list[Message] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.news.set()

    async def block(self, message: Message) -> None:
        await self.send(message)
        if DURABLE.json in message.get("body", b""):
            await asyncio.Event().wait()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    async def until(self, text: bytes) -> None:
        async with asyncio.timeout(10):
            while text not in self.body:
                await self.news.wait()
                self.news.clear()


@dataclass
class Source:
    """Events, then silence or an end."""

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


async def stream(source: Source, line: Line, stopping: asyncio.Event | None = None, **options: Any) -> None:
    response = EventStream(source.generate(), stopping or asyncio.Event(), **options)
    await asyncio.wait_for(response({"type": "http"}, line.receive, line.send), 10)


def test_a_frame_is_one_event_whatever_its_data_hold() -> None:
    text = frame(DURABLE)
    assert text.endswith(b"\n\n")
    assert text.count(b"\n") == 4
    assert b"\r" not in text
    kind, position, data = text.decode().split("\n")[:3]
    assert kind == "event: model.failed"
    assert position == f"id: {Position(RUN_ID, 9, 1).encode('t')}"
    assert json.loads(data.removeprefix("data: ")) == {
        "type": "model.failed",
        "task_id": "t",
        "at": "2026-11-21T20:00:00.000005Z",
        "step": 2,
        "error": "a\nb\r\u2028c\n\nid: 7",
    }


def test_a_live_event_has_no_id() -> None:
    assert b"id:" not in frame(LIVE).replace(b"task_id", b"")


def test_a_comment_is_one_line() -> None:
    assert comment("a\nevent: b\r\n") == b": a event: b\n\n"


async def test_events_are_sent_in_order_and_then_the_response_ends() -> None:
    source, line = Source((DURABLE, LIVE)), Line()
    await stream(source, line, first=[LIVE])
    assert line.body == b"retry: 1000\n\n" + frame(LIVE) + frame(DURABLE) + frame(LIVE)
    assert line.sent[-1]["more_body"] is False
    assert source.closed


async def test_silence_is_filled_with_comments() -> None:
    source, line = Source((DURABLE,), silent=True), Line()
    streaming = asyncio.create_task(stream(source, line, heartbeat=0.01))
    await line.until(frame(DURABLE) + b": still here\n\n: still here\n\n")
    line.gone.set()
    await streaming


async def test_a_client_that_goes_away_ends_it() -> None:
    source, line = Source((DURABLE,), silent=True), Line()
    streaming = asyncio.create_task(stream(source, line))
    await line.until(frame(DURABLE))
    line.gone.set()
    await streaming
    assert source.closed


async def test_a_server_that_stops_ends_it_with_a_word() -> None:
    source, line, stopping = Source((DURABLE,), silent=True), Line(), asyncio.Event()
    streaming = asyncio.create_task(stream(source, line, stopping))
    await line.until(frame(DURABLE))
    stopping.set()
    await streaming
    assert line.body.endswith(b": The server stops. Come back, and go on after the last event.\n\n")
    assert line.sent[-1]["more_body"] is False
    assert source.closed


async def test_an_interrupted_watch_is_told_in_a_comment() -> None:
    source, line = Source((DURABLE,), error=WatchInterrupted("Too slow.\nGo on.")), Line()
    await stream(source, line)
    assert line.body.endswith(frame(DURABLE) + b": Too slow. Go on.\n\n")
    assert line.sent[-1]["more_body"] is False


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    source, line = Source((DURABLE, LIVE)), Line()
    response = EventStream(source.generate(), asyncio.Event(), patience=0.01)
    await asyncio.wait_for(response({"type": "http"}, line.receive, line.block), 10)
    assert frame(DURABLE) in line.body
    assert frame(LIVE) not in line.body
    assert source.closed
