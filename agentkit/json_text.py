"""Read JSON from the text of model responses."""

from __future__ import annotations

import json
import re

from pydantic import JsonValue

from agentkit.errors import ResponseTextInvalid

__all__ = ["check_strict_json", "read_json"]

# Only one part of the pattern matches line ends before the content: more would take quadratic time.
_FENCED_BLOCK = re.compile(r"```(\w*)[^\S\n]*\n(.*?)```", re.DOTALL)


def check_strict_json(value: JsonValue) -> JsonValue:
    """Return the value unchanged if it is valid JSON outside Python, too, so that it fits into Temporal's payloads.

    Raises:
        ValueError: it contains NaN, an infinity or a lone surrogate, which ``json.loads`` accepts.
    """
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def read_json(text: str) -> JsonValue:
    """Return the JSON value that the text is, or that a fenced block in it contains.

    Raises:
        ResponseTextInvalid: there is none.
    """
    blocks = (block for language, block in _FENCED_BLOCK.findall(text) if language in ("", "json"))
    for candidate in (text, *blocks):
        try:
            return check_strict_json(json.loads(candidate))
        except (ValueError, RecursionError):
            continue
    raise ResponseTextInvalid("Your response is no JSON. Respond with the JSON only: no other words, no code fence.")
