"""A lock on the data directory: one ``opspawn dev`` for each."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from activities.temporal.worker_identity import is_running
from cli.errors import CommandFailed, UsageWrong

__all__ = ["DataDirLock"]

_ACQUIRE_TIMEOUT_S = 8.0
"""Longer than the guard needs (6 s): after ``kill -9`` it holds the lock until it has stopped the children."""
_POLL_INTERVAL_S = 0.1


class DataDirLock:
    """A lock on ``dev.lock`` in the data directory, held while its file descriptor is open: here or in the guard."""

    def __init__(self, data_dir: Path) -> None:
        """Acquire the lock; the directory is created where it is missing.

        Raises:
            UsageWrong: another ``opspawn dev`` holds the lock.
            CommandFailed: the directory can't be written.
        """
        path = data_dir / "dev.lock"
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CommandFailed(
                f"Can't write {path}: {error.strerror}. Correct that, or use another directory with --data-dir."
            ) from None
        self._acquire(data_dir)
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Close this process's file descriptor of the lock."""
        os.close(self.fd)

    def _acquire(self, data_dir: Path) -> None:
        deadline = time.monotonic() + _ACQUIRE_TIMEOUT_S
        while not self._try_lock():
            holder = os.pread(self.fd, 32, 0).decode(errors="replace").strip()
            if time.monotonic() >= deadline or (holder.isdigit() and is_running(int(holder))):
                self.release()
                raise UsageWrong(
                    f"opspawn dev already runs on {data_dir} (process {holder or 'unknown'}). "
                    "Stop it, or use another directory with --data-dir."
                )
            time.sleep(_POLL_INTERVAL_S)  # flock has no timeout

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
