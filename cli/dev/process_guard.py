"""Stop what ``opspawn dev`` started when it can't do so itself, as after ``kill -9``.

Run as a process of its own, with the read end of a pipe as stdin. ``opspawn dev`` writes ``+GROUP`` when it has
started a process group, and ``-GROUP`` when that is gone. When the pipe closes, whatever is left is stopped:
the kernel closes it however ``opspawn dev`` ends, on Linux and on macOS alike.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator

__all__ = ["main"]

_GRACE = 4.0
"""Seconds between SIGTERM and SIGKILL."""
_TICK = 0.05


def main() -> None:
    """Read until the pipe closes, then stop what is left: the last started first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = _read(sys.stdin)
    for group in reversed(left):
        _kill(group, signal.SIGTERM)
    _wait(left)
    for group in left:
        _kill(group, signal.SIGKILL)


def _read(lines: Iterable[str]) -> list[int]:
    groups: list[int] = []
    for line in lines:
        group = int(line[1:])
        if line[0] == "+":
            groups.append(group)
        elif group in groups:
            groups.remove(group)
    return groups


def _wait(groups: list[int]) -> None:
    pause = threading.Event()
    waited = 0.0
    while any(_alive(groups)) and waited < _GRACE:
        pause.wait(_TICK)
        waited += _TICK


def _alive(groups: list[int]) -> Iterator[bool]:
    for group in groups:
        yield _kill(group, 0)


def _kill(group: int, number: int) -> bool:
    """Signal a process group; return whether it is there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS refuses to signal a group of zombies
        return False
    return True


if __name__ == "__main__":
    main()
