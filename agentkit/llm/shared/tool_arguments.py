"""Parse a tool call's arguments from the text that a model wrote."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from pydantic import JsonValue

from agentkit.json_text import MAX_JSON_DEPTH, is_deeper_than

__all__ = ["parse_arguments", "parse_object", "parse_object_at"]


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_NO_ARGUMENTS = re.compile(r'(?:null|""|"null"|\{\s*\})\s*')
"""What servers write for a call without arguments, also before the real ones."""
_DECODER = json.JSONDecoder(parse_constant=_reject_constant)
"""Rejects ``NaN`` and ``Infinity``, which Python's decoder accepts and JSON lacks."""


def parse_object_at(text: str, start: int) -> tuple[dict[str, JsonValue] | None, int]:
    """Return the JSON object that begins at ``start`` and the position after it, or None and ``start``.

    One that is nested more than ``MAX_JSON_DEPTH`` levels deep counts as none: it could not be stored.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
        if isinstance(value, dict) and not is_deeper_than(value, MAX_JSON_DEPTH):
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


def parse_arguments(text: str) -> dict[str, JsonValue] | None:
    """Return the arguments of a call as some server wrote them, or None if they are no JSON object.

    Accepted besides an object: nothing, ``null``, an object before which empty ones stand, an object that is repeated,
    and a JSON string that contains one of these.
    """
    arguments = _parse_first(text.strip())
    if arguments is not None or not text.lstrip().startswith('"'):
        return arguments
    try:
        quoted = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _parse_first(quoted.strip()) if isinstance(quoted, str) else None


def _parse_first(text: str) -> dict[str, JsonValue] | None:
    start = 0
    while (empty := _NO_ARGUMENTS.match(text, start)) is not None:
        start = empty.end()
    if start == len(text):
        return {}
    arguments, end = parse_object_at(text, start)
    if arguments is None:
        return None
    return arguments if text[end:].strip() in ("", text[start:end]) else None
