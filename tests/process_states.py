"""Which processes run."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

__all__ = ["still_running"]


def still_running(pids: Sequence[int]) -> list[int]:
    """Return the processes that still run; zombies do not."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True)
    states = dict(line.split(None, 1) for line in listed.stdout.splitlines())
    return [pid for pid in pids if not states.get(str(pid), "Z").startswith("Z")]
