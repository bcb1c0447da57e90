"""Split a stream of bytes into lines, of which no more than a number of bytes is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Line", "LineReader"]

_END_BYTES = 1_024


@dataclass(frozen=True)
class Line:
    """A line, without its end."""

    start: bytes
    """All of it, or as much as is kept."""
    end: bytes | None = None
    """The last bytes of a line that is not kept as a whole."""


class LineReader:
    """Keeps at most ``max_bytes`` of the line that is read."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._start = bytearray()
        self._end = b""

    def feed(self, data: bytes) -> Iterator[Line]:
        """Yield the lines that end in ``data``."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._add(part)
            yield Line(bytes(self._start), self._end or None)
            self._start, self._end = bytearray(), b""
        self._add(rest)

    def _add(self, part: bytes) -> None:
        room = self._max_bytes - len(self._start)
        self._start += part[:room]
        if len(part) > room:
            self._end = (self._end + part[room:])[-_END_BYTES:]
