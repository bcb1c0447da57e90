"""Notice that files have changed."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping
from pathlib import Path

__all__ = ["ChangeWatcher", "FileVersions", "file_version"]

logger = logging.getLogger("opspawn.catalog")

FileVersions = Mapping[Path, Hashable]
"""Files with something that differs when they have changed; directories with what they contain."""

_POLL_S = 0.25
_SETTLE_S = 0.1
"""An editor may write a file in several steps: a change counts when it has lasted for so long."""
_MAX_SETTLE_CHECKS = 10
_STOP_TIMEOUT_S = 1.0
_CLOCK_TICK_NS = 20_000_000
"""By how much the times of files may lag behind the clock."""


def file_version(path: str | Path) -> tuple[int, int, int] | None:
    """Return modification time in nanoseconds, size and inode; None when there is no such file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


class ChangeWatcher:
    """Calls a function when files have changed, in a thread of its own, until it is stopped."""

    def __init__(self, versions: Callable[[], FileVersions], on_change: Callable[[Collection[Path]], None]) -> None:
        """Start; ``versions`` returns the files to watch, and ``on_change`` gets those that have changed."""
        self._versions = versions
        self._on_change = on_change
        self._seen = versions()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait a moment for a call that is running."""
        self._stopped.set()
        self._thread.join(_STOP_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stopped.wait(_POLL_S):
            try:
                self._check()
            except Exception:
                logger.exception("Changed files could not be loaded")

    def _check(self) -> None:
        newest = self._versions()
        if newest == self._seen:
            return
        for _ in range(_MAX_SETTLE_CHECKS):
            self._stopped.wait(_SETTLE_S)
            read_at = time.time_ns()
            before, newest = newest, self._versions()
            if newest == before:
                break
        before, self._seen = self._seen, newest
        self._on_change([path for path in {*before, *newest} if before.get(path) != newest.get(path)])
        self._seen = _versions_to_compare(newest, self._versions(), read_at - _CLOCK_TICK_NS)


def _versions_to_compare(reported: FileVersions, now: FileVersions, since_ns: int) -> FileVersions:
    """Return the versions that the next check compares with: those that were reported, of the files watched ``now``.

    So a file that was changed or deleted since it was reported is noticed. A file that was not watched before counts
    as unchanged, unless it was made or written after ``since_ns``, in nanoseconds since 1970.
    """
    deleted = {path: version for path, version in reported.items() if version is not None and not os.path.lexists(path)}
    new = {
        path: version for path, version in now.items() if path not in reported and not _is_newer_than(path, since_ns)
    }
    return {**deleted, **new, **{path: reported[path] for path in now if path in reported}}


def _is_newer_than(path: Path, since_ns: int) -> bool:
    try:
        return os.stat(path).st_ctime_ns > since_ns
    except OSError:
        return True
