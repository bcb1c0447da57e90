"""Tokens of MCP servers in files that only their owner can read."""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from agentkit.interfaces import McpTokens

__all__ = ["FileTokenStore"]

_LOCK_TIMEOUT_S = 60.0
_LOCK_INTERVAL_S = 0.05


class FileTokenStore:
    """An ``McpTokenStore`` in a directory, for all processes of a machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def read(self, server: str) -> McpTokens | None:
        """See ``McpTokenStore``. A file that can't be read as tokens counts as none."""
        return await asyncio.to_thread(self._read, server)

    async def write(self, server: str, tokens: McpTokens) -> None:
        """See ``McpTokenStore``."""
        await asyncio.to_thread(self._write, server, tokens)

    @asynccontextmanager
    async def lock(self, server: str) -> AsyncIterator[None]:
        """See ``McpTokenStore``."""
        self._make_directory()
        descriptor = os.open(self._file(server, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            async with asyncio.timeout(_LOCK_TIMEOUT_S):
                while not _try_lock(descriptor):  # noqa: ASYNC110  # flock can't be awaited
                    await asyncio.sleep(_LOCK_INTERVAL_S)
            yield
        finally:
            os.close(descriptor)

    def _read(self, server: str) -> McpTokens | None:
        with suppress(FileNotFoundError, ValueError):
            return McpTokens.model_validate_json(self._file(server, ".json").read_bytes())
        return None

    def _write(self, server: str, tokens: McpTokens) -> None:
        self._make_directory()
        descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=".tokens-")  # its mode is 0600
        try:
            with open(descriptor, "wb") as file:
                file.write(tokens.model_dump_json().encode())
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, self._file(server, ".json"))
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _file(self, server: str, suffix: str) -> Path:
        return self._directory / f"{quote(server, safe=' ').replace('.', '%2E')}{suffix}"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
