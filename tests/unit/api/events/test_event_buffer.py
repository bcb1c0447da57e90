from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from api.events.event import Event
from api.events.event_buffer import EventBuffer
from api.events.event_position import Position

RUN_ID = "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"


def durable(number: int, chars: int = 1) -> Event:
    return Event("tool.completed", "t", datetime.now(UTC), {"x": "x" * chars}, 1, Position(RUN_ID, number, 0))


def live() -> Event:
    return Event("model.delta", "t", datetime.now(UTC), {"text": "x"}, 1)


def test_only_the_newest_events_are_kept_and_the_newest_dropped_one_is_known() -> None:
    buffer = EventBuffer(max_events=3)
    for number in range(1, 6):
        buffer.append(durable(number))
    buffer.append(live())
    assert (buffer.start, buffer.end) == (3, 6)
    assert buffer.last_dropped is not None
    assert buffer.last_dropped.position == Position(RUN_ID, 3, 0)
    assert buffer[3].position == Position(RUN_ID, 4, 0)


def test_dropped_live_events_are_not_noted() -> None:
    buffer = EventBuffer(max_events=1)
    buffer.append(live())
    buffer.append(durable(1))
    assert buffer.last_dropped is None
    assert buffer.start == 1


def test_bytes_are_bounded_but_the_newest_event_is_always_kept() -> None:
    buffer = EventBuffer(max_bytes=1000)
    for number in range(1, 100):
        buffer.append(durable(number, 100))
    assert sum(len(buffer[number].json) for number in range(buffer.start, buffer.end)) <= 1000
    buffer.append(durable(100, 5000))
    assert (buffer.end - buffer.start, buffer[buffer.start].position) == (1, Position(RUN_ID, 100, 0))


async def test_all_waiting_readers_are_woken_by_an_event_and_by_the_close() -> None:
    buffer = EventBuffer()
    waiting = [asyncio.create_task(buffer.wait_for(0)) for _ in range(3)]
    waiting_longer = asyncio.create_task(buffer.wait_for(1))
    await asyncio.sleep(0)
    buffer.append(durable(1))
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert not waiting_longer.done()
    buffer.close()
    await asyncio.wait_for(waiting_longer, 5)


@pytest.mark.parametrize("event", [durable(1), live()], ids=["durable", "live"])
def test_a_closed_buffer_accepts_nothing(event: Event) -> None:
    buffer = EventBuffer()
    buffer.close()
    buffer.append(event)
    assert buffer.end == 0
