"""One ``opspawn dev`` for each data directory."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from cli.errors import CommandFailed, UsageWrong

__all__ = ["DataDirLock"]

_WAIT = 8.0
"""Seconds that a killed ``opspawn dev`` may take until its guard has stopped what it left."""
_TICK = 0.1


class DataDirLock:
    """Held on ``dev.lock`` in the data directory for as long as its file descriptor is open, here or in the guard."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock, and make the directory where there is none.

        Raises:
            UsageWrong: another ``opspawn dev`` has it.
            CommandFailed: the directory can't be written.
        """
        path = data_dir / "dev.lock"
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CommandFailed(
                f"Can't write {path}: {error.strerror}. Mend that, or take another directory with --data-dir."
            ) from None
        self._take(data_dir)
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go of it here."""
        os.close(self.fd)

    def _take(self, data_dir: Path) -> None:
        pause = threading.Event()
        waited = 0.0
        while not self._try():
            holder = os.pread(self.fd, 32, 0).decode(errors="replace").strip()
            if waited >= _WAIT or (holder.isdigit() and _runs(int(holder))):
                self.release()
                raise UsageWrong(
                    f"opspawn dev already runs on {data_dir} (process {holder or 'unknown'}). "
                    "Stop it, or take another directory with --data-dir."
                )
            pause.wait(_TICK)
            waited += _TICK

    def _try(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
