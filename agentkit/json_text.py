"""Read JSON that a model wrote among other text."""

from __future__ import annotations

import json
import re

from pydantic import JsonValue

from agentkit.errors import OpspawnError

__all__ = ["ResponseTextInvalid", "portable", "read_json"]

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


class ResponseTextInvalid(OpspawnError):
    """An answer is not what was asked for; the message is for the model that gave it."""


def portable(value: JsonValue) -> JsonValue:
    """Return a value that Python took for JSON, if everybody else does.

    Raises:
        ValueError: it holds NaN, an infinity or half a character, which no payload of Temporal can hold.
    """
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def read_json(text: str) -> JsonValue:
    """Return the JSON that an answer is, or holds in a fenced block.

    Raises:
        ResponseTextInvalid: there is none.
    """
    candidates = [text.strip(), *(block.strip() for block in _FENCED.findall(text))]
    for candidate in candidates:
        try:
            return portable(json.loads(candidate))
        except (ValueError, RecursionError):
            continue
    raise ResponseTextInvalid("Your answer is no JSON. Answer with the JSON only: no other words, no code fence.")
