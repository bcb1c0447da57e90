"""A file lock between the processes of a machine, which the kernel releases when its holder ends."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from activities.private_files import make_private_directory

__all__ = ["OwnerLock"]

logger = logging.getLogger("opspawn.memory")

_POLL_INTERVAL_S = 0.3
"""Time between two attempts to get the lock: a blocking flock can't be cancelled."""


class OwnerLock:
    """A ``flock``, as an async context manager. The kernel releases it when the process ends, even by ``kill -9``."""

    def __init__(self, path: Path) -> None:
        """Use the file ``path``; the first attempt creates it and its directory."""
        self._path = path
        self._fd: int | None = None

    async def __aenter__(self) -> Self:
        """Wait for the lock without a limit."""
        warned = False
        while not self.acquire():
            if not warned:
                warned = True
                logger.info("Another worker owns %s; this one waits to take it over", self._path.parent)
            await asyncio.sleep(_POLL_INTERVAL_S)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the lock."""
        self.release()

    def acquire(self) -> bool:
        """Try once to get the lock; return whether this object holds it now.

        Raises:
            OSError: its file can't be opened.
        """
        if self._fd is not None:
            return True
        make_private_directory(self._path.parent)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        return True

    def release(self) -> None:
        """Release the lock, if this object holds it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
