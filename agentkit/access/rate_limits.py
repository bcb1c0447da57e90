"""How many requests each principal may make: a token bucket for each."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["RateLimits"]

_MAX_BUCKETS = 10_000


class RateLimits:
    """Token buckets by key. Those that were not used for longest are forgotten, when there are very many."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow ``per_second`` requests for each key in the long run, and ``burst`` at once."""
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        """Tokens that were left, and when."""

    def take(self, key: Hashable) -> float:
        """Count one request; return 0, or the seconds after which it may be made again."""
        now = self._clock()
        left, at = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._buckets[key] = (left if wait else left - 1, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return wait
