"""Run a command as the terminal's foreground job: ``python foreground.py COMMAND ...``; its exit code is the command's.

Ctrl-C then reaches the command alone. Make, which would get it too, ends with 130 whatever the command does about it.
Without a terminal, or in the background, the command just replaces this process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

TERMINAL = 0
"""File descriptor: stdin."""


def main() -> int:
    """Run the command of the command line, and return its exit code."""
    command = sys.argv[1:]
    if not _is_in_foreground(os.getpgrp()):
        os.execvp(command[0], command)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # or tcsetpgrp would stop this process when it is in the background
    job = subprocess.Popen(command, process_group=0, preexec_fn=_take_terminal)

    def forward(number: int, frame: FrameType | None) -> None:
        os.killpg(job.pid, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    return _wait(job.pid)


def _is_in_foreground(group: int) -> bool:
    return os.isatty(TERMINAL) and os.tcgetpgrp(TERMINAL) == group


def _take_terminal() -> None:
    os.tcsetpgrp(TERMINAL, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)


def _wait(job: int) -> int:
    """Wait until the job has ended; when Ctrl-Z stops it, stop as well, until the shell continues this process."""
    own_group = os.getpgrp()
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        if os.isatty(TERMINAL) and os.tcgetpgrp(TERMINAL) == job:
            os.tcsetpgrp(TERMINAL, own_group)
        if not os.WIFSTOPPED(status):
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        os.killpg(own_group, signal.SIGTSTP)
        if _is_in_foreground(own_group):
            os.tcsetpgrp(TERMINAL, job)
        os.killpg(job, signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(main())
