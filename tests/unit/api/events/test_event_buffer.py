from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from api.events.event import Event
from api.events.event_buffer import Log
from api.events.event_position import Position

RUN_ID = "01a1ffcd-5e85-7cd7-81f6-7b759043dc53"


def durable(number: int, chars: int = 1) -> Event:
    return Event("tool.completed", "t", datetime.now(UTC), {"x": "x" * chars}, 1, Position(RUN_ID, number, 0))


def live() -> Event:
    return Event("model.delta", "t", datetime.now(UTC), {"text": "x"}, 1)


def test_only_the_newest_are_kept_and_what_is_lost_is_known() -> None:
    log = Log(most=3)
    for number in range(1, 6):
        log.append(durable(number))
    log.append(live())
    assert (log.first, log.end) == (3, 6)
    assert log.lost is not None
    assert log.lost.position == Position(RUN_ID, 3, 0)
    assert log[3].position == Position(RUN_ID, 4, 0)


def test_live_events_that_go_are_no_loss() -> None:
    log = Log(most=1)
    log.append(live())
    log.append(durable(1))
    assert log.lost is None
    assert log.first == 1


def test_bytes_are_bounded_but_the_newest_is_always_there() -> None:
    log = Log(most_bytes=1000)
    for number in range(1, 100):
        log.append(durable(number, 100))
    assert sum(len(log[number].json) for number in range(log.first, log.end)) <= 1000
    log.append(durable(100, 5000))
    assert (log.end - log.first, log[log.first].position) == (1, Position(RUN_ID, 100, 0))


async def test_all_who_wait_are_woken_by_news_and_by_the_end() -> None:
    log = Log()
    waiting = [asyncio.create_task(log.beyond(0)) for _ in range(3)]
    waiting_longer = asyncio.create_task(log.beyond(1))
    await asyncio.sleep(0)
    log.append(durable(1))
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert not waiting_longer.done()
    log.close()
    await asyncio.wait_for(waiting_longer, 5)


@pytest.mark.parametrize("event", [durable(1), live()], ids=["durable", "live"])
def test_a_closed_log_takes_nothing(event: Event) -> None:
    log = Log()
    log.close()
    log.append(event)
    assert log.end == 0
