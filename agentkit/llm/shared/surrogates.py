"""Mend characters that a server has cut in half.

Servers that count in UTF-16 stream an emoji as two pieces, each with half of it; JSON has words for that, but neither
Temporal nor anybody else takes such text.
"""

from __future__ import annotations

import json

from pydantic import JsonValue

__all__ = ["ends_in_half", "whole", "whole_json"]


def whole(text: str) -> str:
    """Return ``text`` with halves that meet joined, and each one left over replaced by ``U+FFFD``."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def whole_json(value: JsonValue) -> JsonValue:
    """Return the same for all text in a JSON value."""
    mended: JsonValue = json.loads(whole(json.dumps(value, ensure_ascii=False)))
    return mended


def ends_in_half(text: str) -> bool:
    """Return whether the first half of a character is the last of ``text``."""
    return "\ud800" <= text[-1:] <= "\udbff"
