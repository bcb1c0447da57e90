"""A token bucket: what a provider still accepts, from the settings or from the headers of its responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from agentkit.config.durations import parse_duration

__all__ = ["LimitedResource", "TokenBucket", "bucket_from_headers"]

LimitedResource = Literal["requests", "tokens"]

_HEADER_PATTERNS = ("x-ratelimit-{field}-{resource}", "anthropic-ratelimit-{resource}-{field}")
"""OpenAI's names, which most others use too, and Anthropic's."""
_FIELDS = ("limit", "remaining", "reset")
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(slots=True)
class TokenBucket:
    """An amount that refills at a constant rate up to a capacity. All times are seconds of the caller's clock."""

    capacity: float
    """The amount when full."""
    level: float
    """The amount at ``updated_at``; negative if more was taken than there was."""
    rate: float
    """The amount that is added in a second."""
    updated_at: float

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until ``amount`` may be taken; an amount above the capacity needs a full bucket."""
        missing = min(amount, self.capacity) - self._level_at(now)
        return max(0.0, missing / self.rate) if missing > 0 else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take ``amount`` now, even if there is less; a negative amount is given back."""
        self.level = min(self.capacity, self._level_at(now) - amount)
        self.updated_at = now

    def _level_at(self, now: float) -> float:
        return min(self.capacity, self.level + max(0.0, now - self.updated_at) * self.rate)


def bucket_from_headers(
    headers: Mapping[str, str], resource: LimitedResource, now: float, today: datetime, max_reset_s: float
) -> TokenBucket | None:
    """Return the bucket that rate-limit headers describe for a resource; None if they don't.

    Their "reset" is when the bucket will be full again, and is taken to be at most ``max_reset_s`` seconds away.
    ``today`` is the date and time at ``now``, with its time zone.
    """
    for pattern in _HEADER_PATTERNS:
        values = {field: headers.get(pattern.format(field=field, resource=resource), "") for field in _FIELDS}
        if _NUMBER.fullmatch(values["remaining"]) is None or (reset := _seconds_until(values["reset"], today)) is None:
            continue
        remaining, reset = float(values["remaining"]), min(reset, max_reset_s)
        limit = float(values["limit"]) if _NUMBER.fullmatch(values["limit"]) else 0.0
        capacity = max(limit, remaining, 1.0)
        # The headers of a full bucket don't show its rate: assume a full one every second.
        rate = capacity if reset <= 0 or capacity <= remaining else (capacity - remaining) / reset
        return TokenBucket(capacity=capacity, level=remaining, rate=rate, updated_at=now)
    return None


def _seconds_until(reset: str, today: datetime) -> float | None:
    """Return the seconds until a reset: a duration such as ``6m0s``, a number of seconds, or a time."""
    if _NUMBER.fullmatch(reset):
        return float(reset)
    try:
        return float(str(parse_duration(reset)))
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(reset)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() - today.timestamp()
