"""Durations as people write them: ``90``, ``"30s"``, ``"1h30m"``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

__all__ = ["Duration", "parse_duration"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TOKEN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(value: object) -> object:
    """Return seconds for ``"1h30m"`` and the like; numbers and anything else pass unchanged.

    Raises:
        ValueError: the text is no duration.
    """
    if not isinstance(value, str):
        return value
    text = value.strip().replace(" ", "")
    tokens = _TOKEN.findall(text)
    if not tokens or "".join(n + u for n, u in tokens) != text:
        raise ValueError(f"expected a duration such as 30s, 5m, 1h30m or a number of seconds, got {value!r}")
    return sum(float(n) * _UNITS[u] for n, u in tokens)


_LONGEST = 10 * 365 * 86400.0
"""Ten years: more than that is a slip, and timers can't take it."""

Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=_LONGEST)]
"""Seconds, written as a number or as text with units (ms, s, m, h, d)."""
