"""Field types for what servers send: text, counts and objects, whatever a server sends instead of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from agentkit.messages import MAX_COUNT

__all__ = ["Count", "Text", "as_list", "as_object", "as_text"]

_TEXT_KEYS = ("text", "content", "thinking", "reasoning", "reasoning_content", "reasoning_text")


def as_text(value: object) -> str:
    """Return a text; of a list the texts joined, of an object its text, of null nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return "".join(map(as_text, value))
    if isinstance(value, Mapping):
        return next((text for key in _TEXT_KEYS if (text := as_text(value.get(key)))), "")
    return "" if value is None else str(value)


def as_list(value: object) -> object:
    """Return a list: some servers send its only item, or null or an empty object for none."""
    return [value] if isinstance(value, Mapping) and value else value or ()


def as_object(value: object) -> object:
    """Return an object, or None for anything else."""
    return value if isinstance(value, Mapping) else None


def _as_number(value: object) -> object:
    if not isinstance(value, int | float) or not 0 <= value < math.inf:  # NaN compares as false
        return None
    return min(value, MAX_COUNT)


Text = Annotated[str, BeforeValidator(as_text)]
Count = Annotated[float | None, BeforeValidator(_as_number)]
"""A number from 0 to ``MAX_COUNT``; larger ones become that, and anything else None."""
