"""Observe child processes without polling: wait for a line of their output, and for the end of a grandchild."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import Awaitable, Callable

WAITS = "import signal; print('up', flush=True); signal.alarm(60); signal.pause()"
"""A script that prints a line, and waits for a signal."""

_GRANDCHILD = (
    "import socket; server = socket.create_server(('127.0.0.1', 0));"
    f"print('grandchild', server.getsockname()[1], flush=True); held = server.accept(); {WAITS}"
)
WITH_GRANDCHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_GRANDCHILD!r}])"
"""A script that starts another process, which prints the port on which it accepts one connection."""


class WatchedLog(io.StringIO):
    """A text file that can be waited on."""

    def __init__(self) -> None:
        super().__init__()
        self._written = asyncio.Event()

    def write(self, text: str) -> int:
        self._written.set()
        return super().write(text)

    async def wait_for(self, pattern: str) -> re.Match[str]:
        async with asyncio.timeout(20):
            while (match := re.search(pattern, self.getvalue())) is None:
                self._written.clear()
                await self._written.wait()
        return match


async def hold_connection(port: re.Match[str]) -> Callable[[], Awaitable[None]]:
    """Connect to the grandchild; return a function that waits until its end closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port[1]))

    async def wait_until_gone() -> None:
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()

    return wait_until_gone
