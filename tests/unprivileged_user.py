"""Let a test run as a user whom file permissions bind, though tests often run as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["unprivileged_owner"]

_NOBODY = 65_534


@contextmanager
def unprivileged_owner(directory: Path) -> Iterator[None]:
    """Make this process a user who isn't root, and who owns a directory and all below it."""
    previous = os.geteuid()
    user = previous or _NOBODY
    for path in (directory, *directory.rglob("*")):
        os.chown(path, user, -1)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(previous)
