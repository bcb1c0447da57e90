"""Compare texts without regard to differences that a tool may overlook."""

from __future__ import annotations

import functools
import unicodedata

__all__ = ["fold", "folded", "folded_constant", "without_invisible"]

_INVISIBLE_MARKS = frozenset({"\u034f", "\u115f", "\u1160", "\u3164", *map(chr, range(0xFE00, 0xFE10))})


def fold(text: str) -> str:
    """Return the text without what tools may overlook: case, invisible characters, white space around it."""
    text = text if text.isascii() and text.isprintable() else without_invisible(text)
    return unicodedata.normalize("NFKC", text.casefold()).strip()


folded = functools.lru_cache(64)(fold)
"""``fold``, for texts that are compared with many others."""

folded_constant = functools.lru_cache(4_096)(fold)
"""``fold``, for the texts of rules."""


@functools.lru_cache(64)
def without_invisible(text: str) -> str:
    """Return the text in Unicode's compatible composed form, without invisible characters."""
    composed = unicodedata.normalize("NFKC", text)
    visible = (
        character
        for character in composed
        if unicodedata.category(character) not in ("Cc", "Cf") and character not in _INVISIBLE_MARKS
    )
    return unicodedata.normalize("NFKC", "".join(visible))
