"""Which processes run, and with which environment."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["children_of", "environment_of", "parent_of", "still_running", "wait_until_ended"]


def children_of(pid: int) -> dict[int, str]:
    """Return the living children of a process, with their command lines."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == pid}


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def environment_of(pid: int) -> bytes | None:
    """Return the environment that a program was started with; None: the process runs its parent's.

    Between fork and exec a child has the command line and the environment of its parent.
    """
    command_line = Path(f"/proc/{pid}/cmdline")
    command = command_line.read_bytes()
    if command == Path(f"/proc/{parent_of(pid)}/cmdline").read_bytes():
        return None
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    return environment if command_line.read_bytes() == command else None


def still_running(pids: Sequence[int]) -> list[int]:
    """Return the processes that still run; zombies do not."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True)
    states = dict(line.split(None, 1) for line in listed.stdout.splitlines())
    return [pid for pid in pids if not states.get(str(pid), "Z").startswith("Z")]


def wait_until_ended(pids: Sequence[int], *, timeout_s: float = 60) -> None:
    """Wait until processes that were told to end, or killed, have ended: on a busy machine that takes a moment."""
    deadline = time.monotonic() + timeout_s
    while running := still_running(pids):
        assert time.monotonic() < deadline, f"still running: {running}"
