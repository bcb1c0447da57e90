"""What a program has changed in its scratch directory. Its processes have ended, so nothing changes meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentkit.errors import ToolError
from agentkit.interfaces import FileChanges, FileSnapshot, NewFile
from agentkit.tools.task_paths import task_path

__all__ = ["ScratchChanges", "scratch_changes"]


@dataclass(frozen=True)
class ScratchChanges:
    """The changes to keep, and what can't be kept."""

    changes: FileChanges
    not_kept: tuple[str, ...] = ()
    """A path and a reason each; for the model."""


@dataclass(frozen=True)
class _Found:
    path: Path
    executable: bool


def scratch_changes(directory: Path, before: FileSnapshot) -> ScratchChanges:
    """Compare a directory with the files that it was filled with."""
    found: dict[str, _Found] = {}
    not_kept: list[str] = []
    unreadable: list[str] = []
    for relative, details in _walk(directory, "", not_kept, unreadable):
        if stat.S_ISREG(details.st_mode):
            found[relative] = _Found(directory / relative, bool(details.st_mode & stat.S_IXUSR))
        elif not stat.S_ISDIR(details.st_mode):
            not_kept.append(f"{relative} ({'a symbolic link' if stat.S_ISLNK(details.st_mode) else 'a special file'})")
    known = {file.path: file for file in before.files}
    written = {
        path: NewFile(file.path, file.executable)
        for path, file in found.items()
        if path not in known or known[path].executable != file.executable or known[path].sha256 != _sha256(file.path)
    }
    deleted = {path for path in known.keys() - found.keys() if not _is_below_any(path, unreadable)}
    return ScratchChanges(FileChanges(written, frozenset(deleted)), tuple(not_kept))


def _is_below_any(path: str, others: Sequence[str]) -> bool:
    """Return whether a path is one of the others, or below one."""
    return any(path == other or path.startswith(f"{other}/") for other in others)


def _walk(
    directory: Path, prefix: str, not_kept: list[str], unreadable: list[str]
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what is below a directory, and add to ``not_kept`` and ``unreadable`` what can't be kept or read."""
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            relative = prefix + entry.name
            details = entry.stat(follow_symlinks=False)
            is_directory = stat.S_ISDIR(details.st_mode)
            try:
                if task_path(relative) != relative:
                    raise ToolError(relative)
                if is_directory:
                    yield from _walk(directory / entry.name, f"{relative}/", not_kept, unreadable)
                else:
                    os.close(os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK))
            except ToolError:
                not_kept.append(f"{relative[:100]!a} (its name, or too deep)")
                continue
            except OSError:  # a link, a socket, or without permissions
                if stat.S_ISREG(details.st_mode) or is_directory:
                    not_kept.append(f"{relative} (no permission to read it)")
                    unreadable.append(relative)
                    continue
            yield relative, details


def _sha256(path: Path) -> str:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
