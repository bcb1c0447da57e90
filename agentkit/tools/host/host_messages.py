"""The messages between a worker and its tool hosts: JSON objects, one a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from agentkit.errors import ToolArgumentsInvalid, ToolError, ToolNotFound, ToolUnavailable

__all__ = ["MAX_MESSAGE_BYTES", "HostMessage", "LineBuffer", "decode", "encode", "error_message", "read_error"]

HostMessage = dict[str, Any]

MAX_MESSAGE_BYTES = 64_000_000
"""The largest size of one message, such as a tool's result."""

_ERRORS: Mapping[str, type[ToolError]] = {
    kind.__name__: kind for kind in (ToolError, ToolUnavailable, ToolArgumentsInvalid, ToolNotFound)
}


def encode(message: Mapping[str, object]) -> bytes:
    """Return the message as one line."""
    try:
        return to_json(message) + b"\n"
    except ValueError:  # a lone surrogate or deep nesting, which the tool's own check is to refuse
        return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> HostMessage:
    """Return the message of a line.

    Raises:
        ValueError: the line is no JSON object.
    """
    try:
        message = from_json(line)
    except ValueError:
        message = _decode_unusual(line)
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    return message


def _decode_unusual(line: bytes) -> object:
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


class LineBuffer:
    """Splits received bytes into lines."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes, and return the lines that they complete.

        Raises:
            ValueError: a line is longer than ``MAX_MESSAGE_BYTES``.
        """
        *ends, rest = data.split(b"\n")
        if not ends:
            self._keep(rest)
            return []
        ends[0] = b"".join([*self._parts, ends[0]])
        self._parts, self._size = [], 0
        self._keep(rest)
        return ends

    def _keep(self, part: bytes) -> None:
        if not part:
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_MESSAGE_BYTES:
            raise ValueError(f"a line of more than {MAX_MESSAGE_BYTES} bytes")


def error_message(error: ToolError, max_chars: int) -> HostMessage:
    """Return a tool's error as a message; of a subclass that only the project has, the nearest one of ours."""
    kind = next(kind.__name__ for kind in type(error).__mro__ if _ERRORS.get(kind.__name__) is kind)
    return {"type": kind, "message": str(error)[:max_chars]}


def read_error(message: HostMessage) -> ToolError:
    """Return the error of a message."""
    return _ERRORS.get(str(message.get("type")), ToolError)(str(message.get("message")))
