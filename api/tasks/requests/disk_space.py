"""Whether the disk of the data directory has space: for large payloads, and for an embedded Temporal's database."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["disk_problem"]

_MIN_FREE_BYTES = 8 * 1024 * 1024
"""Enough for the largest payload, and for SQLite to write what frees space."""


def disk_problem(directory: Path, *, name: str, min_free_bytes: int = _MIN_FREE_BYTES) -> str | None:
    """Return why ``directory``, which is called ``name`` for people, can't take more data; None if it can."""
    existing = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())
    try:
        free_bytes = shutil.disk_usage(existing).free
    except OSError as error:
        return f"The disk of {name} can't be used ({error.strerror or error})."
    if free_bytes >= min_free_bytes:
        return None
    return (
        f"The disk of {name} is full ({free_bytes // 1024} KiB free): payloads, and an embedded Temporal's tasks, "
        "can't be stored. Free some space there; tasks then go on by themselves."
    )
