"""Read lines that a person types on a terminal, without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import termios

__all__ = ["TerminalInput"]

_MAX_LINE_BYTES = 65_536


class TerminalInput:
    """Stdin, where it is a terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def of_stdin(cls) -> TerminalInput | None:
        """Return it; None when stdin isn't a terminal."""
        return cls(sys.stdin.fileno()) if sys.stdin is not None and sys.stdin.isatty() else None

    @property
    def is_ours(self) -> bool:
        """Whether this process is in the foreground: else reading would stop it."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return False

    def discard(self) -> None:
        """Drop what was typed and not read: it was meant for something else."""
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except termios.error:
            return

    async def read_line(self) -> str | None:
        """Return the next line without its end; None at the end of input, as by Ctrl-D."""
        loop = asyncio.get_running_loop()
        received: asyncio.Future[bytes] = loop.create_future()
        loop.add_reader(self._fd, self._receive, received)
        try:
            data = await received
        finally:
            loop.remove_reader(self._fd)
        return data.decode(errors="replace").rstrip("\r\n") if data else None

    def _receive(self, received: asyncio.Future[bytes]) -> None:
        if received.done():
            return
        try:
            received.set_result(os.read(self._fd, _MAX_LINE_BYTES))
        except OSError:  # the terminal is gone
            received.set_result(b"")
