"""Texts as embedding models can take them, and their vectors as stores can."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["MAX_EMBEDDED_CHARS", "embeddable", "unit_vector"]

MAX_EMBEDDED_CHARS = 4_000
"""How much of a text is embedded; longer ones, such as a task's input as a query, are cut."""

_BLANK = "."
"""In place of blank texts, which some providers refuse."""


def embeddable(text: str, max_chars: int = MAX_EMBEDDED_CHARS) -> str:
    """Return a text that is neither blank nor longer than ``max_chars``, and that UTF-8 can express."""
    text = text[:max_chars].encode(errors="replace").decode()
    return text if text.strip() else _BLANK


def unit_vector(vector: Sequence[float]) -> list[float]:
    """Return the vector with length 1.

    Raises:
        ValueError: it is zero, or has a number that is not finite.
    """
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        raise ValueError("a vector is zero or not finite")
    return [number / length for number in vector]
