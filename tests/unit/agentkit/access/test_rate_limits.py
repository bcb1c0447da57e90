from __future__ import annotations

import pytest

from agentkit.access.rate_limits import RateLimits


def test_a_burst_is_followed_by_the_rate() -> None:
    now = 0.0
    limits = RateLimits(2.0, 3, lambda: now)
    assert [limits.take("ada") for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]
    assert limits.take("bob") == 0
    now = 0.4
    assert limits.take("ada") == pytest.approx(0.1)
    now = 0.5
    assert [limits.take("ada") for _ in range(2)] == [0, pytest.approx(0.5)]
    now = 1000.0
    assert [limits.take("ada") > 0 for _ in range(4)] == [False, False, False, True]


def test_very_many_principals_take_bounded_memory() -> None:
    limits = RateLimits(1.0, 1, lambda: 0.0)
    for number in range(20_001):
        limits.take(number)
    assert limits.take(20_000) > 0
    assert limits.take(0) == 0  # forgotten, as the oldest
