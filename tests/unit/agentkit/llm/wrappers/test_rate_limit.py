from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.llm import OpenAIModel
from agentkit.llm.wrappers.rate_limit import MAX_WAIT, Limited, Limiter
from agentkit.messages import user_message
from agentkit.testing import ScriptedModel, ScriptedOpenAIServer, ScriptedResponse, ServerFailure, ServerResponse
from tests.unit.agentkit.llm.virtual_time import VirtualTime

REQUEST = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))
MODEL = REQUEST.model


def _limiter(time: VirtualTime, concurrency: int = 100, **given: int) -> Limiter:
    return Limiter(concurrency=concurrency, clock=time.clock, sleep=time.sleep, **given)


async def _call(
    limiter: Limiter, time: VirtualTime, *, tokens: int = 0, model: str = MODEL, seconds: float = 0
) -> float:
    """Return when the call had its turn."""
    async with limiter.turn(model, tokens):
        began = time.now
        if seconds:
            await time.sleep(seconds)
    return began


async def _starts(limiter: Limiter, time: VirtualTime, calls: Sequence[int]) -> list[float]:
    """Return when calls that all arrive now begin, in seconds from now; each of them uses so many tokens."""
    start = time.now
    return [began - start for began in await asyncio.gather(*(_call(limiter, time, tokens=one) for one in calls))]


async def test_only_so_many_calls_are_under_way_at_once() -> None:
    time = VirtualTime()
    limiter = _limiter(time, concurrency=2)
    calls = asyncio.gather(*(_call(limiter, time, seconds=10) for _ in range(5)))
    await time.settle()
    assert (limiter.running, limiter.waiting) == (2, 3)
    assert [began - 1_000 for began in await time.run(calls)] == [0, 0, 10, 10, 20]


async def test_requests_per_minute_are_spread_once_the_first_lot_is_used() -> None:
    time = VirtualTime()
    limiter = _limiter(time, requests_per_minute=3)
    assert await time.run(_starts(limiter, time, [0] * 5)) == pytest.approx([0, 0, 0, 20, 40])


async def test_tokens_per_minute_count_what_each_call_uses() -> None:
    time = VirtualTime()
    limiter = _limiter(time, tokens_per_minute=600)
    assert await time.run(_starts(limiter, time, [500, 200, 100])) == pytest.approx([0, 10, 20])


async def test_what_a_call_used_beyond_what_it_said_counts_too() -> None:
    time = VirtualTime()
    limiter = _limiter(time, tokens_per_minute=600)
    limiter.spend(900)
    assert await time.run(_starts(limiter, time, [100])) == pytest.approx([40])


async def test_a_call_larger_than_all_that_is_allowed_waits_for_all_of_it() -> None:
    time = VirtualTime()
    limiter = _limiter(time, tokens_per_minute=600)
    assert await time.run(_starts(limiter, time, [300, 5_000])) == pytest.approx([0, 30])


async def test_headers_of_a_model_hold_up_that_model_alone() -> None:
    time = VirtualTime()
    limiter = _limiter(time)
    told = {"limit": "60", "remaining": "0", "reset": "60s"}
    limiter.hear(MODEL, {f"x-ratelimit-{field}-requests": value for field, value in told.items()})
    assert await time.run(_call(limiter, time, model="openai:gpt-5")) == 1_000
    assert await time.run(_starts(limiter, time, [0, 0])) == pytest.approx([1, 2])


async def test_a_provider_that_asks_for_a_pause_is_left_alone_by_all() -> None:
    time = VirtualTime()
    limiter = _limiter(time)
    limiter.close_for(7)
    limiter.close_for(3)
    assert await time.run(_starts(limiter, time, [0, 0])) == pytest.approx([7, 7])


async def test_a_wait_that_would_be_too_long_ends_at_once_and_says_when_to_come_again() -> None:
    time = VirtualTime()
    limiter = _limiter(time)
    limiter.close_for(MAX_WAIT + 60)
    results = await asyncio.gather(*(_call(limiter, time) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ModelUnavailable] * 3
    assert time.now == 1_000
    assert isinstance(results[0], ModelUnavailable)
    assert results[0].retry_after == MAX_WAIT + 60


async def test_a_wait_for_others_to_end_is_bounded_too() -> None:
    time = VirtualTime()
    limiter = _limiter(time, concurrency=1)
    async with limiter.turn(MODEL):
        with pytest.raises(ModelUnavailable, match="wouldn't have its turn within 300 s"):
            await time.run(_call(limiter, time))
    assert time.now == 1_000 + MAX_WAIT
    assert await time.run(_call(limiter, time)) == time.now


async def test_a_failure_that_says_when_to_come_again_holds_up_the_next_call_and_no_other_does() -> None:
    time = VirtualTime()
    limiter = _limiter(time)
    script: list[ScriptedResponse] = [ModelUnavailable("busy"), ModelUnavailable("slow down", retry_after=9), "Noon."]
    async with aclosing(Limited(ScriptedModel(script), limiter)) as model:
        for _ in script[:2]:
            with pytest.raises(ModelUnavailable):
                await model.respond(REQUEST)
            assert time.now == 1_000
        assert (await time.run(model.respond(REQUEST))).message.text == "Noon."
    assert time.now == 1_009


async def test_the_tokens_of_answers_count() -> None:
    time = VirtualTime()
    limiter = _limiter(time, tokens_per_minute=10)
    async with aclosing(Limited(ScriptedModel(["One.", "Two."]), limiter)) as model:
        spent = (await time.run(model.respond(REQUEST))).usage.tokens
        await time.run(model.respond(REQUEST))
    assert spent > 10
    assert time.now >= 1_000 + (spent - 10) * 6


async def test_what_a_real_server_says_is_heard() -> None:
    time = VirtualTime()
    limiter = _limiter(time)
    headers = {f"x-ratelimit-{field}-requests": told for field, told in (("limit", "60"), ("remaining", "0"))}
    refusal = ServerFailure(status=429, headers={**headers, "x-ratelimit-reset-requests": "60s"})
    async with (
        ScriptedOpenAIServer([refusal, ServerResponse(text="ok")]) as server,
        aclosing(Limited(OpenAIModel(base_url=server.url, on_headers=limiter.hear), limiter)) as model,
    ):
        with pytest.raises(ModelUnavailable):
            await model.respond(REQUEST)
        asking = asyncio.create_task(model.respond(REQUEST))
        await time.settle()
        assert limiter.waiting == 1
        await time.advance(1)
        assert (await asking).message.text == "ok"


calls = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20), st.none() | st.integers(0, 40)), max_size=12)
"""When each arrives, how long it takes, and when it is cancelled, if it is."""


@given(calls=calls, concurrency=st.integers(1, 3), closed=st.integers(0, 30))
def test_calls_begin_in_order_never_too_many_and_no_place_is_lost_to_those_who_leave(
    calls: list[tuple[int, int, int | None]], concurrency: int, closed: int
) -> None:
    asyncio.run(_crowd(sorted(calls, key=lambda call: call[0]), concurrency, closed))


async def _crowd(calls: Sequence[tuple[int, int, int | None]], concurrency: int, closed: int) -> None:
    time = VirtualTime()
    limiter = _limiter(time, concurrency=concurrency)
    limiter.close_for(closed)
    begun: list[int] = []
    most = 0

    async def one(number: int, seconds: int) -> None:
        nonlocal most
        async with limiter.turn(MODEL):
            begun.append(number)
            most = max(most, limiter.running)
            await time.sleep(seconds)

    tasks: list[asyncio.Task[None]] = []
    for second in range(700):
        arriving = [(number, call) for number, call in enumerate(calls) if call[0] == second]
        tasks.extend(asyncio.create_task(one(number, call[1])) for number, call in arriving)
        await time.settle() if arriving else None
        for number, call in enumerate(calls):
            if call[2] == second and number < len(tasks):
                tasks[number].cancel()
        await time.advance(1)
        if len(tasks) == len(calls) and all(task.done() for task in tasks):
            break
    assert begun == sorted(begun)
    assert most <= concurrency
    assert all(task.done() for task in tasks)
    assert (limiter.running, limiter.waiting) == (0, 0)
    await time.advance(closed)
    assert await _call(limiter, time) == time.now
