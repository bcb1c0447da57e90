"""A text that is received in chunks."""

from __future__ import annotations

__all__ = ["ReceivedText"]

_MIN_REPEATED_CHARS = 32
"""Shorter texts may well be said twice."""


class ReceivedText:
    """Joins chunks. Some servers send the whole text once more at the end: that chunk is left out."""

    def __init__(self) -> None:
        self._chunks: list[str] = []
        self._length = 0

    def __str__(self) -> str:
        """Return the text so far."""
        return "".join(self._chunks)

    def __bool__(self) -> bool:
        return self._length > 0

    def add(self, chunk: str) -> str:
        """Append a chunk; return what is new of it: nothing if it repeats the text that several chunks made up."""
        if not chunk or self.is_repeated_by(chunk):
            return ""
        self._chunks.append(chunk)
        self._length += len(chunk)
        return chunk

    def is_repeated_by(self, chunk: str) -> bool:
        """Return whether a chunk is all of the text that was received before, in more than one chunk."""
        may_be = len(self._chunks) > 1 and len(chunk) == self._length >= _MIN_REPEATED_CHARS
        return may_be and chunk == str(self)
