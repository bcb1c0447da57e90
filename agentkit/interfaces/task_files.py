"""The ``TaskFiles`` Protocol: the files of tasks, which any worker can read and change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from agentkit.records import Record

__all__ = ["FileChanges", "FileLimits", "FileSnapshot", "NewFile", "TaskFile", "TaskFiles"]


class TaskFile(Record):
    """A file of a task."""

    path: str
    """Relative, with ``/`` between its parts, and without ``.`` and ``..``."""
    sha256: str
    size: int
    """In bytes."""
    modified_at: datetime
    executable: bool = False


class FileSnapshot(Record):
    """All files of a task at one moment."""

    version: int = 0
    """Higher after each change; 0: the task never had a file."""
    files: tuple[TaskFile, ...] = ()
    """Sorted by path."""

    def get(self, path: str) -> TaskFile | None:
        """Return the file at a path."""
        return next((file for file in self.files if file.path == path), None)


@dataclass(frozen=True)
class NewFile:
    """The content of a file to store."""

    content: bytes | Path
    """The bytes, or a regular file that has them; a link is not followed."""
    executable: bool = False


@dataclass(frozen=True)
class FileChanges:
    """What one call changes; a file that has the content already is no change."""

    written: Mapping[str, NewFile] = field(default_factory=dict)
    """By path."""
    deleted: frozenset[str] = frozenset()


class FileLimits(Record):
    """How much the files of one task may take, all together."""

    total_bytes: int = 256 * 2**20
    count: int = 1_000


class TaskFiles(Protocol):
    """The files of tasks. A task's files change at once, or not at all: a call that is cut off has changed nothing."""

    async def snapshot(self, task_id: str) -> FileSnapshot:
        """Return the files of a task; none for a task that has none."""
        ...

    async def earlier_result(self, task_id: str, key: str) -> str | None:
        """Return the result that a call with this key published; None: there was none among the latest calls."""
        ...

    async def publish(
        self,
        task_id: str,
        key: str,
        changes: FileChanges,
        result: Callable[[FileSnapshot, FileSnapshot], str],
        *,
        expected_version: int | None = None,
    ) -> str:
        """Apply changes to the task's files as they are now, and keep the call's result with them.

        ``result`` gets the files before and after. The same key again changes nothing: the first result is returned.

        Raises:
            FilesChanged: the files are not of ``expected_version``; nothing is changed.
            ToolError: the files would exceed the limits; nothing is changed.
        """
        ...

    async def read(self, task_id: str, file: TaskFile) -> bytes:
        """Return the content of a file of a snapshot.

        Raises:
            FileNotFoundError: it was changed or deleted some time ago: take a new snapshot.
        """
        ...

    async def restore(self, task_id: str, directory: Path) -> FileSnapshot:
        """Write all files of a task into an empty directory, and return what was written.

        When this returns or raises, nothing is written there any more.
        """
        ...
