"""What the processes of a program use together: memory, processes and disk. The kernel limits each one by itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agentkit.interfaces import CutOffBy, SandboxLimits
from agentkit.sandbox.inside.descendants import descendant_ids

__all__ = ["DirectoryUsage", "directory_usage", "exceeded_limit", "process_tree"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MAX_DEPTH = 64
"""Deeper directories count as over the limit: some programs can't delete them."""
_MIN_FREE_BYTES = 256 * 2**20
"""What a program leaves free on its disk; files that it has deleted and holds open are seen in nothing else."""


class DirectoryUsage:
    """The files below a directory."""

    def __init__(self) -> None:
        self.bytes = 0
        self.files = 0
        self.is_unreadable = False
        """It is too deep, or a program has taken the permission to read it away."""


def exceeded_limit(root: int, directory: Path, limits: SandboxLimits) -> CutOffBy | None:
    """Return a limit that the program exceeds whose first process is ``root``; ``directory`` has all of its files."""
    usage = directory_usage(directory, max_files=limits.files)
    if usage.bytes > limits.disk_bytes or usage.files > limits.files or usage.is_unreadable:
        return "disk"
    disk = os.statvfs(directory)
    if disk.f_bavail * disk.f_frsize < _MIN_FREE_BYTES:
        return "disk"
    processes = process_tree(root)
    if _thread_count(processes) > limits.processes + 4:  # bubblewrap's own
        return "processes"
    if sum(map(_resident_bytes, processes)) <= limits.memory_bytes:
        return None
    # Memory that processes share counts once for each of them so far.
    return "memory" if sum(map(_proportional_bytes, processes)) > limits.memory_bytes else None


def process_tree(root: int) -> list[int]:
    """Return the ids of a process and of all that it and its descendants started."""
    tree = [root]
    for process in tree:
        try:
            tree += _children(process)
        except OSError:  # it has ended, or the kernel doesn't list children
            if process == root and Path(f"/proc/{root}").exists():
                return [root, *descendant_ids(root)]
    return tree


def _children(process: int) -> Iterator[int]:
    for thread in os.listdir(f"/proc/{process}/task"):
        yield from map(int, Path(f"/proc/{process}/task/{thread}/children").read_text().split())


def _thread_count(processes: list[int]) -> int:
    count = 0
    for process in processes:
        with suppress(OSError):
            count += len(os.listdir(f"/proc/{process}/task"))
    return count


def _resident_bytes(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _proportional_bytes(process: int) -> int:
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except ProcessLookupError:
        return 0
    except OSError:
        pass
    return _resident_bytes(process)


def directory_usage(directory: Path, *, max_files: int) -> DirectoryUsage:
    """Return the usage of all below ``directory``; counting ends once there are more than ``max_files``."""
    usage = DirectoryUsage()
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        usage.is_unreadable = True
        return usage
    _add_usage(descriptor, usage, max_files, _MAX_DEPTH)
    return usage


def _add_usage(descriptor: int, usage: DirectoryUsage, max_files: int, depth: int) -> None:
    """Add what is below a directory, and close its descriptor."""
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if usage.files > max_files or usage.is_unreadable:
                    return
                try:
                    _add_entry(descriptor, entry, usage, max_files, depth)
                except PermissionError:
                    usage.is_unreadable = True
                except FileNotFoundError:
                    continue
    finally:
        os.close(descriptor)


def _add_entry(parent: int, entry: os.DirEntry[str], usage: DirectoryUsage, max_files: int, depth: int) -> None:
    details = entry.stat(follow_symlinks=False)
    usage.files += 1
    usage.bytes += max(details.st_size, details.st_blocks * 512)
    if not stat.S_ISDIR(details.st_mode):
        return
    if depth == 0:
        usage.is_unreadable = True
        return
    try:
        child = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except NotADirectoryError:
        return
    _add_usage(child, usage, max_files, depth - 1)
