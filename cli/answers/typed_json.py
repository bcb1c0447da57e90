"""JSON that a person wrote: what is wrong with it, in words."""

from __future__ import annotations

import json

from pydantic import JsonValue

from agentkit.client import JsonObject
from agentkit.json_text import MAX_JSON_DEPTH, check_strict_json, is_deeper_than

__all__ = ["parse_typed_json"]


def parse_typed_json(text: str) -> JsonValue:
    """Return the value of the text.

    Raises:
        ValueError: it isn't JSON, has a key twice in one object, or is nested too deeply. The message is for people.
    """
    try:
        value: JsonValue = json.loads(text, object_pairs_hook=_unambiguous)
    except json.JSONDecodeError as error:
        raise ValueError(f"That isn't JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"That is nested in more than {MAX_JSON_DEPTH} levels") from None
    if is_deeper_than(value, MAX_JSON_DEPTH):
        raise ValueError(f"That is nested in more than {MAX_JSON_DEPTH} levels")
    try:
        return check_strict_json(value)
    except ValueError as error:
        raise ValueError(f"That isn't JSON: {error}") from None


def _unambiguous(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    keys = [key for key, _ in pairs]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise ValueError(f"The key {twice!r} stands there twice")
    return dict(pairs)
