"""Directories and files that only their owner may read: tasks' data, and the secret of the relay."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["make_private_directory", "make_private_file"]


def make_private_directory(path: Path) -> None:
    """Create a directory with mode 0700, and its missing parents likewise; an existing one stays as it is.

    Raises:
        OSError: it can't be created.
    """
    if path.is_dir():
        return
    if not path.parent.exists():
        make_private_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Create an empty file with mode 0600; an existing file keeps its content, and gets that mode.

    Raises:
        OSError: it can't be created or changed.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
