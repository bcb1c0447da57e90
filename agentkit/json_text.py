"""Find JSON in the text of model responses, in time linear in its length, whatever the text is."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator

from pydantic import JsonValue

__all__ = ["MAX_JSON_DEPTH", "check_strict_json", "embedded_json", "is_deeper_than", "json_at", "json_values"]

MAX_JSON_DEPTH = 100
"""Levels of objects and lists in JSON that comes from outside. Python, pydantic and protobuf fail from about 200 on."""

_DECODER = json.JSONDecoder(strict=False)
"""Accepts line ends and tabs inside strings, which many models don't escape."""
_MAX_FAILURES = 1_000
"""The most failed attempts to parse JSON in one text: each takes time linear in the text before it, to count lines."""
_OPENING_BRACKET = re.compile(r"""\{(?=\s*["}])|\[(?=\s*["\[{\]\-\dtfn])""")
"""What may begin an object or array."""
_OPENING_FENCE = re.compile(r"""(?:(?<!`)`{3,}+|(?<!~)~{3,}+)[^\n`~{\["]*+\s*+(?=[{\["\-\dtfn])""")
"""Of a code block that may hold JSON: three or more backticks or tildes, and the name of any language."""
_BLOCK_END = re.compile(r"\s*(?:```|~~~|$)")


def check_strict_json(value: JsonValue) -> JsonValue:
    """Return the value unchanged if it is valid JSON outside Python, too, so that it fits into Temporal's payloads.

    Raises:
        ValueError: it contains NaN, an infinity or a lone surrogate, which ``json.loads`` accepts.
    """
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def is_deeper_than(value: object, levels: int) -> bool:
    """Return whether objects and lists are nested in more than so many levels."""
    containers = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        if not containers:
            return False
        containers = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
    return bool(containers)


def json_at(text: str, position: int = 0) -> tuple[JsonValue, int] | None:
    """Return the JSON value that begins exactly at the position, and where it ends; None if there is none."""
    try:
        value, end = _DECODER.raw_decode(text, position)
        return check_strict_json(value), end
    except (ValueError, RecursionError):
        return None


def json_values(text: str) -> Iterator[JsonValue]:
    """Yield the JSON values that a response may mean, the most explicit first.

    These are the complete text; then code blocks that hold JSON only; then objects and arrays among words.
    """
    stripped = text.strip()
    found = json_at(stripped)
    if found is not None and found[1] == len(stripped):
        yield found[0]
        return
    for fence in itertools.islice(_OPENING_FENCE.finditer(text), _MAX_FAILURES):
        block = json_at(text, fence.end())
        if block is not None and _BLOCK_END.match(text, block[1]):
            yield block[0]
    for _, value in embedded_json(text):
        yield value


def embedded_json(text: str) -> Iterator[tuple[int, JsonValue]]:
    """Yield position and value of each JSON object and array in the text, in order; none that is inside another one."""
    position = failures = 0
    while failures < _MAX_FAILURES and (bracket := _OPENING_BRACKET.search(text, position)) is not None:
        start = bracket.start()
        try:
            value, position = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            # To go on at the error reads each character once. To go on behind the bracket would take quadratic time.
            position, failures = max(error.pos, start + 1), failures + 1
            continue
        except (ValueError, RecursionError):  # a number of thousands of digits, or nested too deeply: no position
            return
        try:
            yield start, check_strict_json(value)
        except (ValueError, RecursionError):
            continue
