"""Prepare texts for embedding models, and normalize the vectors that they return."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["MAX_EMBEDDED_CHARS", "embeddable", "unit_vector"]

MAX_EMBEDDED_CHARS = 4_000
"""Texts are cut to this length before they are embedded; a query may be a task's whole input."""

_BLANK = "."
"""Replaces blank texts, which some providers refuse."""


def embeddable(text: str, max_chars: int = MAX_EMBEDDED_CHARS) -> str:
    """Return the text cut to ``max_chars``, never blank, and without surrogates, which UTF-8 can't encode."""
    text = text[:max_chars].encode(errors="replace").decode()
    return text if text.strip() else _BLANK


def unit_vector(vector: Sequence[float]) -> list[float]:
    """Return the vector scaled to length 1.

    Raises:
        ValueError: the vector is zero, or a number in it isn't finite.
    """
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        raise ValueError("a vector is zero or not finite")
    return [number / length for number in vector]
