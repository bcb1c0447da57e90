"""Read JSON that a model wrote among other text."""

from __future__ import annotations

import json
import re

from pydantic import JsonValue

from agentkit.errors import OpspawnError

__all__ = ["OutputInvalid", "portable", "read_json"]

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


class OutputInvalid(OpspawnError):
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
        OutputInvalid: there is none.
    """
    candidates = [text.strip(), *(block.strip() for block in _FENCED.findall(text))]
    for candidate in candidates:
        try:
            return portable(json.loads(candidate))
        except (ValueError, RecursionError):
            continue
    raise OutputInvalid("Your answer is no JSON. Answer with the JSON only: no other words, no code fence.")
