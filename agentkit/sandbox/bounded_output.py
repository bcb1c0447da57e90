"""What a program writes to a stream: all of it is read, and its start and end are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agentkit.interfaces import SandboxOutput

__all__ = ["BoundedOutput"]

_READ_BYTES = 65_536


class BoundedOutput:
    """Reads a stream to its end in bounded memory."""

    def __init__(self, kept_bytes: int) -> None:
        """Keep at most ``kept_bytes``: three quarters of them from the start, the rest from the end."""
        self._head_bytes = kept_bytes * 3 // 4
        self._tail_bytes = kept_bytes - self._head_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self.bytes_written = 0

    async def read(self, stream: asyncio.StreamReader, on_read: Callable[[], None]) -> None:
        """Read until the end; ``on_read`` is called after each part."""
        while part := await stream.read(_READ_BYTES):
            self.add(part)
            on_read()

    def add(self, part: bytes) -> None:
        """Add what was read."""
        self.bytes_written += len(part)
        missing = self._head_bytes - len(self._head)
        self._head += part[:missing] if missing > 0 else b""
        self._tail += part[max(missing, 0) :]
        if len(self._tail) > 2 * self._tail_bytes + _READ_BYTES:
            del self._tail[: -self._tail_bytes]

    def result(self) -> SandboxOutput:
        """Return what is kept. A character that is cut in two is left out."""
        if len(self._head) + len(self._tail) == self.bytes_written <= self._head_bytes + self._tail_bytes:
            return SandboxOutput(head=_text(self._head + self._tail), bytes_written=self.bytes_written)
        tail = self._tail[-self._tail_bytes :]
        left_out = self.bytes_written - len(self._head) - len(tail)
        return SandboxOutput(
            head=self._head.decode("utf-8", "ignore"),
            tail=tail.decode("utf-8", "ignore"),
            bytes_written=self.bytes_written,
            bytes_left_out=left_out,
        )


def _text(data: bytearray) -> str:
    return data.decode("utf-8", "replace")
