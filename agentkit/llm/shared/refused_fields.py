"""Find the optional fields of a request that a server refuses, in the text of its error."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["any_mention", "error_text", "quoted", "refused_fields"]


def any_mention(name: str) -> re.Pattern[str]:
    """Return the pattern of a field's name anywhere in a text."""
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")


def quoted(name: str) -> re.Pattern[str]:
    """Return the pattern of a field's name in quotes or in a path: for names that are ordinary words."""
    return re.compile(rf"""(?<=["'`.\[]){re.escape(name)}(?=["'`.\[\]:])""")


def error_text(error: Exception) -> str:
    """Return all that the server sent about an error of an SDK."""
    return " ".join(str(getattr(error, name, "")) for name in ("message", "body", "details"))


def refused_fields(text: str, optional: Mapping[str, re.Pattern[str]]) -> frozenset[str]:
    """Return those of the optional fields, given with their patterns, that an error's text refuses."""
    return frozenset(name for name, pattern in optional.items() if pattern.search(text) and not _is_wanted(name, text))


def _is_wanted(name: str, text: str) -> bool:
    """Return whether the server misses a field, rather than refusing it."""
    return bool(
        re.search(rf"{name}\W+(?:is (?:missing|required)|(?:\w+\W+){{0,5}}must be passed)", text, re.IGNORECASE)
        or re.search(rf"missing\W+(?:\w+\W+){{0,2}}{name}", text, re.IGNORECASE)
    )
