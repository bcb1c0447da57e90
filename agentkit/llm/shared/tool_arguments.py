"""Read a tool call's arguments as a model wrote them."""

from __future__ import annotations

import json
from typing import NoReturn

from pydantic import JsonValue

__all__ = ["read_object", "read_object_at"]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def read_object_at(text: str, start: int) -> tuple[dict[str, JsonValue] | None, int]:
    """Return the JSON object that begins at ``start``, or None, and the position after it."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        if isinstance(value, dict):
            json.dumps(value, ensure_ascii=False).encode()
            return value, end
    except (ValueError, RecursionError):
        return None, start
    return None, start


def read_object(text: str) -> dict[str, JsonValue] | None:
    """Return the JSON object that ``text`` is, or None; blank text is an empty object."""
    text = text.strip()
    if not text:
        return {}
    value, end = read_object_at(text, 0)
    return value if end == len(text) else None
