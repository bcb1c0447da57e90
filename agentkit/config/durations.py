"""Durations in the notation of files and options: ``90``, ``"30s"``, ``"1h30m"``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from agentkit.validation.number_fields import require_number

__all__ = ["MAX_DURATION_S", "Duration", "parse_duration"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNIT = r"(ms|s|m|h|d)\s*"
_POSITIVE = r"(\d*[1-9]\d*(\.\d+)?|\d+\.\d*[1-9]\d*)"
_NOTATION = rf"^\s*(\d+(\.\d+)?{_UNIT})*{_POSITIVE}{_UNIT}(\d+(\.\d+)?{_UNIT})*$"
_MAX_CHARS = 100
"""Longer text is no duration, and takes time quadratic in its length to split."""
_TOKEN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(value: object) -> object:
    """Return the seconds of text such as ``"1h30m"``; other values are returned unchanged.

    Raises:
        ValueError: the text isn't a duration, or the value is true or false.
    """
    if isinstance(value, bool):
        return require_number(value)
    if not isinstance(value, str):
        return value
    is_too_long = len(value) > _MAX_CHARS
    text = "" if is_too_long else "".join(value.split())
    tokens = _TOKEN.findall(text)
    if not tokens or "".join(n + u for n, u in tokens) != text:
        shown = f"{value[:_MAX_CHARS]}…" if is_too_long else value
        raise ValueError(f"expected a duration such as 30s, 5m, 1h30m or a number of seconds, got {shown!r}")
    return sum(float(n) * _UNITS[u] for n, u in tokens)


MAX_DURATION_S = 10 * 365 * 86400.0
"""Ten years: longer ones are mistakes, and too long for timers."""

_Seconds = Annotated[float, Field(gt=0, le=MAX_DURATION_S)]

Duration = Annotated[
    _Seconds,
    BeforeValidator(
        parse_duration,
        json_schema_input_type=_Seconds | Annotated[str, Field(max_length=_MAX_CHARS, pattern=_NOTATION)],
    ),
]
"""Seconds, from a number or text with units (ms, s, m, h, d)."""
