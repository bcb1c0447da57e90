"""Stop the children of ``opspawn dev`` when it can't do so itself, as after ``kill -9``.

Run as a process of its own, with the read end of a pipe as stdin. ``opspawn dev`` writes ``+GROUP`` when it has
started a process group, and ``-GROUP`` when that has ended. When the pipe closes, the remaining groups are stopped:
the kernel closes it however ``opspawn dev`` ends, on Linux and on macOS alike.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

__all__ = ["main"]

_GRACE_S = 4.0
"""Seconds between SIGTERM and SIGKILL."""
_POLL_INTERVAL_S = 0.05


def main() -> None:
    """Read stdin until it closes, then stop the remaining process groups, the newest first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = _remaining_groups(sys.stdin)
    for group in reversed(groups):
        _signal_group(group, signal.SIGTERM)
    _wait_until_gone(groups)
    for group in groups:
        _signal_group(group, signal.SIGKILL)


def _remaining_groups(lines: Iterable[str]) -> list[int]:
    groups: list[int] = []
    for line in lines:
        group = int(line[1:])
        if line[0] == "+":
            groups.append(group)
        elif group in groups:
            groups.remove(group)
    return groups


def _wait_until_gone(groups: list[int]) -> None:
    deadline = time.monotonic() + _GRACE_S
    while any(_signal_group(group, 0) for group in groups) and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL_S)  # the end of a process group can't be waited for


def _signal_group(group: int, number: int) -> bool:
    """Signal a process group, 0 for none; return whether it exists."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS refuses to signal a group of zombies
        return False
    return True


if __name__ == "__main__":
    main()
