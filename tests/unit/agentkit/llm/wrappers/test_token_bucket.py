from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.llm.wrappers.token_bucket import TokenBucket, bucket_from_headers

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
AMOUNTS = st.floats(0, 1_000)


def _openai(limit: str, remaining: str, reset: str) -> dict[str, str]:
    values = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{field}-requests": value for field, value in values.items()}


def _anthropic(limit: str, remaining: str, reset: str) -> dict[str, str]:
    values = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"anthropic-ratelimit-requests-{field}": value for field, value in values.items()}


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        pytest.param(_openai("60", "0", "1m0s"), 1.0, id="empty: one a second"),
        pytest.param(_openai("60", "30", "30s"), 0.0, id="half full"),
        pytest.param(_openai("60", "0", "30"), 0.5, id="seconds without a unit"),
        pytest.param(_openai("1000", "0", "500ms"), 0.0005, id="milliseconds"),
        pytest.param(_openai("", "0", "20s"), 20.0, id="no limit: not before the reset"),
        pytest.param(_openai("60", "0", "0s"), 1 / 60, id="about to be full"),
        pytest.param(_openai("60", "60", "1s"), 0.0, id="full"),
        pytest.param(_openai("1", "0", "10m"), 600.0, id="the longest reset"),
        pytest.param(_openai("1", "0", "24h"), 600.0, id="a reset that is far away"),
        pytest.param(_anthropic("1", "0", "2026-11-22T12:00:00Z"), 600.0, id="a time that is far away"),
        pytest.param(_anthropic("50", "0", "2026-11-21T12:01:00Z"), 1.2, id="a time"),
        pytest.param(_anthropic("50", "0", "2026-11-21T12:01:00"), 1.2, id="a time without a zone is UTC"),
        pytest.param(_anthropic("50", "0", "2026-11-21T11:59:00Z"), 0.02, id="a time in the past"),
    ],
)
def test_headers_give_the_wait_for_the_next_request(headers: dict[str, str], wait: float) -> None:
    bucket = bucket_from_headers(headers, "requests", 5.0, NOON, 600.0)
    assert bucket is not None
    assert bucket.wait(1, 5.0) == pytest.approx(wait)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param(_openai("60", "many", "1s"), id="no number"),
        pytest.param(_openai("60", "-1", "1s"), id="negative"),
        pytest.param(_openai("60", "0", "soon"), id="no duration"),
        pytest.param(_openai("60", "0", ""), id="no reset"),
    ],
)
def test_invalid_headers_give_no_bucket(headers: dict[str, str]) -> None:
    assert bucket_from_headers(headers, "requests", 5.0, NOON, 600.0) is None


def test_headers_about_tokens_do_not_limit_requests() -> None:
    headers = {"x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1s"}
    assert bucket_from_headers(headers, "tokens", 0, NOON, 600.0) is not None
    assert bucket_from_headers(headers, "requests", 0, NOON, 600.0) is None


@given(capacity=st.floats(1, 1_000), rate=st.floats(0.1, 100), taken=st.lists(AMOUNTS, max_size=5), amount=AMOUNTS)
def test_an_amount_is_available_after_its_wait_and_not_before(
    capacity: float, rate: float, taken: list[float], amount: float
) -> None:
    bucket = TokenBucket(capacity=capacity, level=capacity, rate=rate, updated_at=0.0)
    for earlier in taken:
        bucket.take(earlier, 0.0)
    wait = bucket.wait(amount, 0.0)
    assert bucket.wait(amount, wait + 1e-6) == pytest.approx(0, abs=1e-3)
    if wait > 1e-3:
        assert bucket.wait(amount, wait / 2) == pytest.approx(wait / 2)


def test_an_amount_that_is_given_back_never_exceeds_the_capacity() -> None:
    bucket = TokenBucket(capacity=10, level=10, rate=1, updated_at=0.0)
    bucket.take(-100, 0.0)
    bucket.take(10, 0.0)
    assert bucket.wait(1, 0.0) == 1
