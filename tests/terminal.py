"""A terminal of its own for a program, with a person at it: the test."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_TAKE_TERMINAL = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
)
"""Under ``nohup`` hanging up would end nothing."""
_Utf8 = codecs.getincrementaldecoder("utf-8")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """A program in a terminal of its own."""

    fd: int
    process: subprocess.Popen[bytes]
    raw: str = ""
    """Everything that was written, with its escape sequences."""
    _position: int = 0
    """The output before it was waited for already."""
    _decoder: codecs.IncrementalDecoder = field(default_factory=lambda: _Utf8("replace"))
    """A character may come in two reads."""

    @property
    def output(self) -> str:
        """Everything that was written, without escape sequences."""
        return _ESCAPE.sub("", self.raw)

    @property
    def foreground_group(self) -> int:
        """The process group that Ctrl-C reaches."""
        return os.tcgetpgrp(self.fd)

    def type(self, text: str) -> None:
        """Send keys; ``\\x03`` is Ctrl-C."""
        os.write(self.fd, text.encode())

    def wait_for(self, pattern: str, *, timeout_s: float = 30) -> str:
        """Wait until new output matches, and return the pattern's first group, or all of the match."""
        deadline = time.monotonic() + timeout_s
        while (match := re.compile(pattern).search(self.output, self._position)) is None:
            assert self._read(deadline - time.monotonic()), f"no {pattern!r} in the output:\n{self.output}"
        self._position = match.end()
        return match[1] if match.groups() else match[0]

    def wait_for_end(self, *, timeout_s: float = 30) -> int:
        """Wait until the program has ended, and return its exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(max(1, deadline - time.monotonic()))

    def _read(self, timeout_s: float) -> bool:
        """Read more output; False when there is none in time, or the program has closed the terminal."""
        if timeout_s <= 0 or not select.select([self.fd], [], [], timeout_s)[0]:
            return False
        with suppress(OSError):  # EIO: no process has it open any more
            data = os.read(self.fd, 65_536)
            self.raw += self._decoder.decode(data)
            return bool(data)
        return False


@contextmanager
def terminal_for(
    command: Sequence[str], *, environment: Mapping[str, str], cwd: Path | None = None, columns: int = 120
) -> Iterator[Terminal]:
    """Start a program in the foreground of a new terminal; hang up afterwards."""
    controller, programs_end = pty.openpty()
    fcntl.ioctl(programs_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, *command],
        cwd=cwd,
        env=environment,
        stdin=programs_end,
        stdout=programs_end,
        stderr=programs_end,
        start_new_session=True,
    ) as process:
        os.close(programs_end)
        try:
            yield Terminal(controller, process)
        finally:
            os.close(controller)  # hangs up: the program and its jobs end
            process.wait(30)
