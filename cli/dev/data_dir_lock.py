"""A lock on the data directory: one ``opspawn dev`` for each."""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from activities.private_files import make_private_directory
from activities.temporal.worker_identity import is_running
from cli.errors import CommandFailed, UsageWrong

__all__ = ["DataDirLock", "RunningDev", "running_dev"]

_ACQUIRE_TIMEOUT_S = 8.0
"""Longer than the guard needs (6 s): after ``kill -9`` it holds the lock until it has stopped the children."""
_POLL_INTERVAL_S = 0.1
_MAX_FILE_BYTES = 1024


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
            make_private_directory(data_dir)
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CommandFailed(
                f"Can't write {path}: {error.strerror}. Correct that, or use another directory with --data-dir."
            ) from None
        self._acquire(data_dir)
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def record_url(self, url: str) -> None:
        """Write the API's URL into the file, for ``running_dev``."""
        os.pwrite(self.fd, f"{os.getpid()}\n{url}\n".encode(), 0)

    def release(self) -> None:
        """Close this process's file descriptor of the lock."""
        os.close(self.fd)

    def _acquire(self, data_dir: Path) -> None:
        deadline = time.monotonic() + _ACQUIRE_TIMEOUT_S
        while not self._try_lock():
            holder = _lines(self.fd)[0]
            if time.monotonic() >= deadline or (holder.isdigit() and is_running(int(holder))):
                self.release()
                raise UsageWrong(
                    f"opspawn dev already runs on {data_dir} (process {holder or 'unknown'}). "
                    "Stop it, or use another directory with --data-dir."
                )
            time.sleep(_POLL_INTERVAL_S)  # flock has no timeout

    def _try_lock(self) -> bool:
        return _try_lock(self.fd, fcntl.LOCK_EX)


@dataclass(frozen=True, slots=True)
class RunningDev:
    """An ``opspawn dev`` that holds the lock of a data directory."""

    pid: str
    """Its process id; empty while it starts."""
    url: str
    """Its API's URL; empty while it starts."""


def running_dev(data_dir: Path) -> RunningDev | None:
    """Return the ``opspawn dev`` that runs on a data directory; None if none does."""
    try:
        fd = os.open(data_dir / "dev.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if _try_lock(fd, fcntl.LOCK_SH):
            return None
        pid, url, *_ = [*_lines(fd), ""]
        return RunningDev(pid, url)
    finally:
        os.close(fd)


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lines(fd: int) -> list[str]:
    return os.pread(fd, _MAX_FILE_BYTES, 0).decode(errors="replace").strip().split("\n")
