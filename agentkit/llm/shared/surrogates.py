"""Repair Unicode surrogates that a server has split.

Servers that count in UTF-16 stream an emoji as two chunks, each with one surrogate of its pair. JSON can express a lone
surrogate; UTF-8, and so Temporal, can't.
"""

from __future__ import annotations

import json

from pydantic import JsonValue

__all__ = ["ends_with_high_surrogate", "repair_json_surrogates", "repair_surrogates"]


def repair_surrogates(text: str) -> str:
    """Return ``text`` with surrogate pairs joined and each lone surrogate replaced by ``U+FFFD``."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def repair_json_surrogates(value: JsonValue) -> JsonValue:
    """Return a JSON value with the surrogates of all its strings and keys repaired."""
    repaired: JsonValue = json.loads(repair_surrogates(json.dumps(value, ensure_ascii=False)))
    return repaired


def ends_with_high_surrogate(text: str) -> bool:
    """Return whether the last character of ``text`` is the first half of a surrogate pair."""
    return "\ud800" <= text[-1:] <= "\udbff"
