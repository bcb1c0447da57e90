"""Directories in which programs run, and their removal, whatever the programs have made of them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agentkit.sandbox.confinement import ScratchPaths

__all__ = ["ScratchSpace", "give_to"]

_PREFIX = "opspawn-sandbox-"
_LOCK_FILE = "lock"


class ScratchSpace:
    """A process's directory of scratch directories, in the system's directory for temporary files."""

    def __init__(self) -> None:
        """Create the directory, and delete those that other processes left behind."""
        parent = Path(tempfile.gettempdir())
        for left in parent.glob(f"{_PREFIX}*"):
            _delete_unless_used(left)
        self.directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock = _locked_file(self.directory / _LOCK_FILE)
        self.directory.chmod(0o711)  # programs run as other users

    @contextmanager
    def paths(self) -> Iterator[ScratchPaths]:
        """Return new directories, which are deleted at the end."""
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        paths = ScratchPaths(directory / "files", directory / "tmp")
        try:
            paths.files.mkdir(0o700)
            paths.temporary.mkdir()
            paths.temporary.chmod(0o1777)
            yield paths
        finally:
            _delete(directory)

    def close(self) -> None:
        """Delete it."""
        _delete(self.directory)
        os.close(self._lock)


def give_to(directory: Path, user_id: int) -> None:
    """Make a user the owner of a directory, and of all in it."""
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.chown(Path(parent) / name, user_id, user_id, follow_symlinks=False)
    os.chown(directory, user_id, user_id)


def _locked_file(path: Path) -> int:
    """Create a file that is locked from the moment at which it has its name, and return its descriptor."""
    unlocked = path.with_suffix(".new")
    descriptor = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unlocked.rename(path)
    return descriptor


def _delete_unless_used(directory: Path) -> None:
    """Delete a directory of this user's, unless a process has locked it."""
    with suppress(OSError):
        if directory.lstat().st_uid != os.getuid():
            return
        lock = os.open(directory / _LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _delete(directory)
        finally:
            os.close(lock)


def _delete(directory: Path) -> None:
    """Delete a directory, though it may be deep, or have no permissions: its programs have ended."""
    try:
        shutil.rmtree(directory)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwX", "--", str(directory)], ["rm", "-rf", "--", str(directory)]):
            subprocess.run(command, capture_output=True, check=False)
