"""Parse a tool call's arguments from the text that a model wrote."""

from __future__ import annotations

import json
from typing import NoReturn

from pydantic import JsonValue

__all__ = ["parse_object", "parse_object_at"]


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_reject_constant)
"""Rejects ``NaN`` and ``Infinity``, which Python's decoder accepts and JSON lacks."""


def parse_object_at(text: str, start: int) -> tuple[dict[str, JsonValue] | None, int]:
    """Return the JSON object that begins at ``start`` and the position after it, or None and ``start``."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        if isinstance(value, dict):
            json.dumps(value, ensure_ascii=False).encode()
            return value, end
    except (ValueError, RecursionError):
        return None, start
    return None, start


def parse_object(text: str) -> dict[str, JsonValue] | None:
    """Return ``text`` parsed as a JSON object, or None if it isn't one; blank text is an empty object."""
    text = text.strip()
    if not text:
        return {}
    value, end = parse_object_at(text, 0)
    return value if end == len(text) else None
