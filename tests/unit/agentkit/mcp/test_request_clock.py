"""The time of a request, without waits for people."""

from __future__ import annotations

import asyncio

import pytest

from agentkit.interfaces import ClientInput, ClientInputRequest
from agentkit.mcp.request_clock import RequestClock

ASKED = ClientInputRequest(key="1", method="elicitation/create")
GIVEN = ClientInput(result={"action": "decline"})


async def test_a_request_that_takes_longer_times_out() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30), RequestClock(0.05, wait_s=60):
            await asyncio.Event().wait()


async def test_the_time_stands_still_while_a_person_is_asked() -> None:
    async def slow(_: ClientInputRequest) -> ClientInput:
        await asyncio.wait({never}, timeout=0.8)
        return GIVEN

    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    clock = RequestClock(0.5, wait_s=60)
    async with clock:
        assert await clock.without_waits(slow)(ASKED) == GIVEN


async def test_after_the_answer_the_rest_of_the_time_counts() -> None:
    async def quick(_: ClientInputRequest) -> ClientInput:
        return GIVEN

    async def request() -> None:
        clock = RequestClock(0.1, wait_s=60)
        async with asyncio.timeout(30), clock:
            await clock.without_waits(quick)(ASKED)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await request()


async def test_a_question_that_nobody_answers_gets_an_error_after_the_wait() -> None:
    async def never(_: ClientInputRequest) -> ClientInput:
        await asyncio.Event().wait()
        return GIVEN

    clock = RequestClock(30, wait_s=0.05)
    async with clock:
        given = await clock.without_waits(never)(ASKED)
    assert given.result is None
    assert given.error == "There was no answer within 0.05 s."
