"""What a provider still takes: a bucket that fills up at a steady rate, set up by hand or from its headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from agentkit.config.durations import parse_duration

__all__ = ["Bucket", "Resource", "read_bucket"]

Resource = Literal["requests", "tokens"]

_OPENAI = "x-ratelimit-{field}-{resource}"
_ANTHROPIC = "anthropic-ratelimit-{resource}-{field}"
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(slots=True)
class Bucket:
    """So much may be taken now, and so much more each second."""

    capacity: float
    """What it holds when it is full; more than that can't be asked for at once."""
    level: float
    """What it held at ``at``; below 0 when more was taken than it held."""
    rate: float
    """What comes in each second."""
    at: float
    """When that was, by the clock of whoever asks."""

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much may be taken; what is more than it holds takes all of it."""
        lacking = min(amount, self.capacity) - self._level(now)
        return max(0.0, lacking / self.rate) if lacking > 0 else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take so much, or (below 0) give it back."""
        self.level = min(self.capacity, self._level(now) - amount)
        self.at = now

    def _level(self, now: float) -> float:
        return min(self.capacity, self.level + max(0.0, now - self.at) * self.rate)


def read_bucket(headers: Mapping[str, str], resource: Resource, now: float, today: datetime) -> Bucket | None:
    """Return what the headers of OpenAI, Anthropic and their like tell of a resource; None: nothing.

    Their "reset" is when the bucket will be full again. ``today`` is the time at ``now``, with its zone.
    """
    for pattern in (_OPENAI, _ANTHROPIC):
        told = {field: headers.get(pattern.format(field=field, resource=resource), "") for field in _FIELDS}
        if _NUMBER.fullmatch(told["remaining"]) is None or (reset := _seconds(told["reset"], today)) is None:
            continue
        remaining = float(told["remaining"])
        limit = float(told["limit"]) if _NUMBER.fullmatch(told["limit"]) else 0.0
        capacity = max(limit, remaining, 1.0)
        full = reset <= 0 or capacity <= remaining  # then they don't tell how fast it fills: fast
        rate = capacity if full else (capacity - remaining) / reset
        return Bucket(capacity=capacity, level=remaining, rate=rate, at=now)
    return None


_FIELDS = ("limit", "remaining", "reset")


def _seconds(reset: str, today: datetime) -> float | None:
    """Return the seconds until a reset: ``6m0s``, a number of seconds, or a time."""
    if _NUMBER.fullmatch(reset):
        return float(reset)
    try:
        return float(str(parse_duration(reset)))
    except ValueError:
        pass
    try:
        then = datetime.fromisoformat(reset)
    except ValueError:
        return None
    return (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - today.timestamp()
