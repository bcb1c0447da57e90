"""The CPU time of a process and of its children, from Linux's ``/proc``."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CpuTime", "cpu_time"]

_FIRST, _AFTER = 11, 15
"""Of ``/proc/PID/stat`` after the name of the command: user and system time of the process, then of its ended children,
in ticks."""


@dataclass(frozen=True, slots=True)
class CpuTime:
    """User and system time in seconds."""

    process: float
    children: float
    """Of all processes below it, ended ones included."""

    def __sub__(self, earlier: CpuTime) -> CpuTime:
        """Return the time since an earlier reading."""
        return CpuTime(self.process - earlier.process, self.children - earlier.children)


def cpu_time(pid: int) -> CpuTime:
    """Return the CPU time of a process until now; one that ends meanwhile is read as its parent counts it."""
    process, children = _ticks(pid)
    for child in _descendants(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            children += sum(_ticks(child))
    ticks = os.sysconf("SC_CLK_TCK")
    return CpuTime(process / ticks, children / ticks)


def _ticks(pid: int) -> tuple[int, int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, fields[_FIRST:_AFTER])
    return user + system, children_user + children_system


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found += [child, *_descendants(child)]
    return found
