"""Directories that only their owner may read: of tasks' data, and of the secret of the relay."""

from __future__ import annotations

from pathlib import Path

__all__ = ["make_private_directory"]


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
