from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import ModelRequest, ModelWait
from agentkit.llm.openai.model import OpenAIModel
from agentkit.llm.openrouter.model import OpenRouterModel
from agentkit.llm.shared.streaming_model import ModelOptions
from agentkit.llm.wrappers.rate_limit import MAX_QUEUE_TIME_S, RateLimitedModel, RateLimiter
from agentkit.messages import user_message
from agentkit.testing import (
    RawResponse,
    ScriptedModel,
    ScriptedOpenAIServer,
    ScriptedResponse,
    ServerFailure,
    ServerResponse,
)
from tests.unit.agentkit.llm.virtual_time_loop import run_in_virtual_time

REQUEST = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))
MODEL = REQUEST.model


def _now() -> float:
    return asyncio.get_running_loop().time()


def _limit(resource: str, limit: int, remaining: int, reset: str) -> dict[str, str]:
    values = {"limit": str(limit), "remaining": str(remaining), "reset": reset}
    return {f"x-ratelimit-{field}-{resource}": value for field, value in values.items()}


async def _start_time(limiter: RateLimiter, *, tokens: int = 0, model: str = MODEL, duration: float = 0) -> float:
    """Return when a request that arrives now gets its slot, which it holds for ``duration``."""
    async with limiter.slot(model, tokens):
        start = _now()
        await asyncio.sleep(duration)
    return start


async def _start_times(limiter: RateLimiter, tokens: Sequence[int], *, duration: float = 0) -> list[float]:
    """Return when requests that all arrive now get their slots; each is expected to use so many tokens."""
    return await asyncio.gather(*(_start_time(limiter, tokens=count, duration=duration) for count in tokens))


def test_no_more_requests_run_at_once_than_the_concurrency() -> None:
    async def scenario() -> None:
        limiter = RateLimiter(concurrency=2)
        starting = asyncio.create_task(_start_times(limiter, [0] * 5, duration=10))
        await asyncio.sleep(1)
        assert (limiter.running, limiter.waiting) == (2, 3)
        assert await starting == [0, 0, 10, 10, 20]

    run_in_virtual_time(scenario())


def test_requests_per_minute_are_evenly_spread_after_the_first_burst() -> None:
    async def scenario() -> list[float]:
        return await _start_times(RateLimiter(concurrency=100, requests_per_minute=3), [0] * 5)

    assert run_in_virtual_time(scenario()) == pytest.approx([0, 0, 0, 20, 40])


def test_tokens_per_minute_delay_a_request_by_what_the_earlier_ones_use() -> None:
    async def scenario() -> list[float]:
        return await _start_times(RateLimiter(concurrency=100, tokens_per_minute=600), [500, 200, 100])

    assert run_in_virtual_time(scenario()) == pytest.approx([0, 10, 20])


def test_a_request_above_the_token_limit_waits_for_a_full_bucket() -> None:
    async def scenario() -> list[float]:
        return await _start_times(RateLimiter(concurrency=100, tokens_per_minute=600), [300, 5_000])

    assert run_in_virtual_time(scenario()) == pytest.approx([0, 30])


def test_a_small_request_does_not_overtake_a_large_one() -> None:
    async def scenario() -> list[float]:
        return await _start_times(RateLimiter(concurrency=100, tokens_per_minute=600), [600, 300, 1])

    assert run_in_virtual_time(scenario()) == pytest.approx([0, 30, 30.1])


@pytest.mark.parametrize(
    ("difference", "start"),
    [
        pytest.param(300, 70, id="more than expected"),
        pytest.param(-300, 10, id="fewer than expected"),
        pytest.param(-1_000, 0, id="never above the capacity"),
    ],
)
def test_the_difference_between_expected_and_used_tokens_is_counted(difference: int, start: float) -> None:
    async def scenario() -> list[float]:
        limiter = RateLimiter(concurrency=100, tokens_per_minute=600)
        await _start_time(limiter, tokens=400)
        limiter.correct_tokens(difference)
        return await _start_times(limiter, [600, 10])

    assert run_in_virtual_time(scenario()) == pytest.approx([start, start + 1])


def test_headers_of_one_model_delay_only_that_model() -> None:
    async def scenario() -> tuple[float, list[float]]:
        limiter = RateLimiter(concurrency=100)
        limiter.read_headers(MODEL, _limit("requests", 60, 0, "60s"))
        return await _start_time(limiter, model="openai:gpt-5"), await _start_times(limiter, [0, 0])

    other, own = run_in_virtual_time(scenario())
    assert other == 0
    assert own == pytest.approx([1, 2])


def test_new_headers_wake_a_request_that_waits_for_the_old_limit() -> None:
    async def scenario() -> float:
        limiter = RateLimiter(concurrency=100)
        limiter.read_headers(MODEL, _limit("requests", 1, 0, "60s"))
        starting = asyncio.create_task(_start_time(limiter))
        await asyncio.sleep(5)
        limiter.read_headers(MODEL, _limit("requests", 1, 1, "0s"))
        return await starting

    assert run_in_virtual_time(scenario()) == 5


OTHER = "openai:gpt-5"


def test_the_longest_pause_holds_back_the_requests_to_its_model_only() -> None:
    async def scenario() -> tuple[float, float]:
        limiter = RateLimiter(concurrency=100)
        limiter.pause(MODEL, 7)
        limiter.pause(MODEL, 3)
        limiter.pause(OTHER, 1)
        return await asyncio.gather(_start_time(limiter), _start_time(limiter, model=OTHER))

    assert run_in_virtual_time(scenario()) == pytest.approx((7, 1))


def test_a_model_that_is_held_up_by_its_headers_does_not_hold_up_others_that_came_later() -> None:
    async def scenario() -> tuple[list[float], list[float]]:
        limiter = RateLimiter(concurrency=1)
        limiter.read_headers(MODEL, _limit("requests", 1, 0, "30s"))
        own = asyncio.create_task(_start_times(limiter, [0, 0]))
        await asyncio.sleep(1)
        others = [await _start_time(limiter, model=OTHER, duration=2) for _ in range(3)]
        return await own, others

    own, others = run_in_virtual_time(scenario())
    assert own == pytest.approx([30, 60])
    assert others == [1, 3, 5]


def test_what_the_models_share_goes_to_the_request_that_came_first() -> None:
    async def scenario() -> list[float]:
        limiter = RateLimiter(concurrency=100, tokens_per_minute=60)
        large = _start_time(limiter, tokens=60)
        next_large = _start_time(limiter, tokens=50)
        small = _start_time(limiter, tokens=1, model=OTHER)
        return list(await asyncio.gather(large, next_large, small))

    assert run_in_virtual_time(scenario()) == pytest.approx([0, 50, 51])


def test_a_model_whose_pause_ends_takes_its_turn_by_its_arrival() -> None:
    async def scenario() -> tuple[float, list[float]]:
        limiter = RateLimiter(concurrency=100, requests_per_minute=1)
        await _start_time(limiter, model=OTHER)
        limiter.pause(MODEL, 30)
        own = asyncio.create_task(_start_time(limiter))
        await asyncio.sleep(1)
        others = await asyncio.gather(*(_start_time(limiter, model=OTHER) for _ in range(2)))
        return await own, others

    own, others = run_in_virtual_time(scenario())
    assert own == pytest.approx(60)
    assert others == pytest.approx([120, 180])


def test_a_pause_that_begins_while_a_model_waits_lets_others_pass() -> None:
    async def scenario() -> tuple[float, float]:
        limiter = RateLimiter(concurrency=100, requests_per_minute=1)
        await _start_time(limiter)
        own = asyncio.create_task(_start_time(limiter))
        other = asyncio.create_task(_start_time(limiter, model=OTHER))
        await asyncio.sleep(1)
        limiter.pause(MODEL, 100)
        return await own, await other

    assert run_in_virtual_time(scenario()) == pytest.approx((120, 60))


@pytest.mark.parametrize(("max_wait_s", "start"), [(600, 200), (50, 50)])
def test_no_model_is_held_up_for_longer_than_the_longest_wait(max_wait_s: float, start: float) -> None:
    async def scenario() -> tuple[float, float]:
        limiter = RateLimiter(concurrency=100, max_wait_s=max_wait_s)
        limiter.pause(MODEL, 200)
        limiter.read_headers(OTHER, _limit("requests", 1, 0, "200s"))
        return await asyncio.gather(_start_time(limiter), _start_time(limiter, model=OTHER))

    assert run_in_virtual_time(scenario()) == pytest.approx((start, start))


def test_waits_are_listed_by_model_with_the_requests_that_wait() -> None:
    async def scenario() -> list[ModelWait]:
        limiter = RateLimiter(concurrency=100)
        limiter.pause("openai:a", 100)
        limiter.pause("openai:over", 1)
        limiter.read_headers("openai:b", _limit("requests", 60, 0, "60s"))
        limiter.read_headers("openai:free", _limit("requests", 60, 60, "0s"))
        waiting = asyncio.gather(*(_start_time(limiter, model="openai:a") for _ in range(3)))
        await asyncio.sleep(10)
        waits = limiter.waits("OPENAI_API_KEY")
        assert await waiting == [100] * 3
        assert limiter.waits("OPENAI_API_KEY") == []
        return waits

    assert run_in_virtual_time(scenario()) == [
        ModelWait(model="openai:a", key="OPENAI_API_KEY", seconds=90, requests=3)
    ]


def test_a_request_that_would_wait_too_long_fails_at_once_with_the_wait() -> None:
    async def scenario() -> None:
        limiter = RateLimiter(concurrency=100)
        limiter.pause(MODEL, MAX_QUEUE_TIME_S + 60)
        errors = await asyncio.gather(*(_start_time(limiter) for _ in range(3)), return_exceptions=True)
        assert _now() == 0
        for error in errors:
            assert isinstance(error, ModelUnavailable)
            assert error.retry_after == MAX_QUEUE_TIME_S + 60

    run_in_virtual_time(scenario())


def test_a_request_behind_others_that_do_not_end_fails_after_the_longest_wait() -> None:
    async def scenario() -> None:
        limiter = RateLimiter(concurrency=1)
        async with limiter.slot(MODEL):
            with pytest.raises(ModelUnavailable, match="would not start within 300 s"):
                await _start_time(limiter)
        assert _now() == MAX_QUEUE_TIME_S
        assert await _start_time(limiter) == MAX_QUEUE_TIME_S

    run_in_virtual_time(scenario())


def test_only_a_failure_with_retry_after_delays_the_next_request() -> None:
    async def scenario() -> None:
        script: list[ScriptedResponse] = [
            ModelUnavailable("busy"),
            ModelUnavailable("slow down", retry_after=9),
            "Noon.",
        ]
        ends: list[float] = []
        async with aclosing(RateLimitedModel(ScriptedModel(script), RateLimiter(concurrency=100))) as model:
            for _ in range(2):
                with pytest.raises(ModelUnavailable):
                    await model.respond(REQUEST)
                ends.append(_now())
            assert (await model.respond(REQUEST)).message.text == "Noon."
        assert [*ends, _now()] == [0, 0, 9]

    run_in_virtual_time(scenario())


def test_a_refusal_of_one_model_does_not_delay_another() -> None:
    async def scenario() -> list[float]:
        async def respond(request: ModelRequest) -> ScriptedResponse:
            return "Noon." if request.model == OTHER else ModelUnavailable("slow down", retry_after=9)

        ends: list[float] = []
        async with aclosing(RateLimitedModel(ScriptedModel(respond), RateLimiter(concurrency=100))) as model:
            with pytest.raises(ModelUnavailable):
                await model.respond(REQUEST)
            await model.respond(replace(REQUEST, model=OTHER))
            ends.append(_now())
            with pytest.raises(ModelUnavailable):
                await model.respond(REQUEST)
            ends.append(_now())
        return ends

    assert run_in_virtual_time(scenario()) == [0, 9]


@pytest.mark.parametrize(
    ("metadata", "waiting"),
    [
        pytest.param({"provider_name": "Chutes", "raw": "slow down"}, 0, id="an upstream"),
        pytest.param({}, 1, id="the router itself"),
    ],
)
async def test_retry_after_of_one_upstream_of_openrouter_closes_nothing(metadata: dict[str, str], waiting: int) -> None:
    body = json.dumps({"error": {"message": "Provider returned error", "code": 429, "metadata": metadata}})
    refusal = RawResponse(body=body, content_type="application/json", status=429, headers={"retry-after": "60"})
    limiter = RateLimiter(concurrency=100)
    request = replace(REQUEST, model="openrouter:deepseek/deepseek-r1")
    async with (
        ScriptedOpenAIServer([refusal, ServerResponse(text="ok")]) as server,
        aclosing(OpenRouterModel(base_url=server.url)) as openrouter,
    ):
        model = RateLimitedModel(openrouter, limiter)
        with pytest.raises(ModelUnavailable) as raised:
            await model.respond(request)
        assert raised.value.retry_after == 60
        second = asyncio.create_task(model.respond(request))
        await asyncio.sleep(0)  # the request joins the queue, or starts, in its first step
        assert limiter.waiting == waiting
        if waiting:
            second.cancel()
        else:
            assert (await second).message.text == "ok"


def test_the_tokens_of_a_response_delay_the_next_request() -> None:
    async def scenario() -> tuple[int, float]:
        limiter = RateLimiter(concurrency=100, tokens_per_minute=12)
        async with aclosing(RateLimitedModel(ScriptedModel(["One.", "Two."]), limiter)) as model:
            used = (await model.respond(REQUEST)).usage.tokens
            await model.respond(REQUEST)
        return used, _now()

    used, end = run_in_virtual_time(scenario())
    assert used == 15
    assert end == pytest.approx(20)  # 3 tokens of debt, and 1 for the next request, at 12 a minute


def test_a_limit_on_tokens_from_headers_delays_a_large_request_longer_than_a_small_one() -> None:
    async def scenario(text: str) -> float:
        limiter = RateLimiter(concurrency=100)
        limiter.read_headers(MODEL, _limit("tokens", 600, 0, "60s"))
        async with aclosing(RateLimitedModel(ScriptedModel(["One."]), limiter)) as model:
            await model.respond(replace(REQUEST, messages=(user_message(text),)))
        return _now()

    times = [run_in_virtual_time(scenario("x" * 4 * tokens)) for tokens in (10, 300)]
    assert times == pytest.approx([1, 30])


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)], ids=["behind", "ahead"])
def test_a_reset_at_a_time_is_compared_with_the_responses_date(skew: timedelta) -> None:
    async def scenario() -> float:
        limiter = RateLimiter(concurrency=100)
        sent = datetime.now(UTC).replace(microsecond=0) + skew
        reset = (sent + timedelta(seconds=30)).isoformat()
        limiter.read_headers(MODEL, {**_limit("requests", 1, 0, reset), "date": format_datetime(sent, usegmt=True)})
        async with limiter.slot(MODEL):
            return _now()

    assert run_in_virtual_time(scenario()) == pytest.approx(30)


async def test_the_headers_of_a_real_response_delay_the_next_request() -> None:
    limiter = RateLimiter(concurrency=100)
    refusal = ServerFailure(status=429, headers=_limit("requests", 60, 0, "3600s"))
    options = ModelOptions(on_headers=limiter.read_headers)
    async with (
        ScriptedOpenAIServer([refusal, ServerResponse(text="ok")]) as server,
        aclosing(OpenAIModel(base_url=server.url, options=options)) as openai_model,
    ):
        model = RateLimitedModel(openai_model, limiter)
        with pytest.raises(ModelUnavailable):
            await model.respond(REQUEST)
        second = asyncio.create_task(model.respond(REQUEST))
        await asyncio.sleep(0)  # the request joins the queue in its first step
        assert (limiter.waiting, server.request_count) == (1, 1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second


@dataclass(frozen=True)
class Arrival:
    """A request: when it arrives, how long it runs, and when it is cancelled, if ever; seconds."""

    at: int
    duration: int
    cancelled_at: int | None


ARRIVALS = st.builds(
    Arrival, at=st.integers(0, 20), duration=st.integers(1, 20), cancelled_at=st.none() | st.integers(0, 40)
)


@given(arrivals=st.lists(ARRIVALS, max_size=12), concurrency=st.integers(1, 3), pause=st.integers(0, 30))
def test_requests_start_in_order_within_the_concurrency_and_cancelled_ones_give_back_their_slots(
    arrivals: list[Arrival], concurrency: int, pause: int
) -> None:
    async def scenario() -> None:
        limiter = RateLimiter(concurrency=concurrency)
        limiter.pause(MODEL, pause)
        started: list[int] = []
        running: set[int] = set()
        most_running = 0

        async def request(number: int, arrival: Arrival) -> None:
            nonlocal most_running
            async with limiter.slot(MODEL):
                started.append(number)
                running.add(number)
                most_running = max(most_running, len(running))
                try:
                    await asyncio.sleep(arrival.duration)
                finally:
                    running.discard(number)

        ordered = sorted(arrivals, key=lambda arrival: arrival.at)
        tasks: list[asyncio.Task[None]] = []
        for number, arrival in enumerate(ordered):
            await asyncio.sleep(arrival.at - _now())
            tasks.append(asyncio.create_task(request(number, arrival)))
            if arrival.cancelled_at is not None:
                asyncio.get_running_loop().call_at(arrival.cancelled_at + 0.5, tasks[-1].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert started == sorted(started)
        assert most_running <= concurrency
        uncancelled = {number for number, arrival in enumerate(ordered) if arrival.cancelled_at is None}
        assert uncancelled <= set(started)
        await asyncio.sleep(pause)
        now = _now()
        assert await _start_times(limiter, [0] * concurrency, duration=1) == [now] * concurrency

    run_in_virtual_time(scenario())
