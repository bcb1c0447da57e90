"""``make dev`` in a terminal: Ctrl-C ends everything with exit code 0, and Ctrl-Z stops and continues it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.cli.dev_process import DevProcess, still_running

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        shutil.which("make") is None or not (BIN / "opspawn").exists() or not (ROOT / "Makefile").exists(),
        reason="needs make, and opspawn installed from the checkout",
    ),
]


@dataclass
class Terminal:
    """A shell in a terminal of its own."""

    shell: subprocess.Popen[bytes]
    _fd: int
    output: str = ""

    def type(self, text: str) -> None:
        """Send keys; ``\\x03`` is Ctrl-C."""
        os.write(self._fd, text.encode())

    def wait_for(self, pattern: str, *, timeout_s: float = 60) -> re.Match[str]:
        """Wait until new output matches, and return the match."""
        deadline = time.monotonic() + timeout_s
        start = len(self.output)
        while (match := re.search(pattern, self.output[start:])) is None:
            remaining = deadline - time.monotonic()
            assert remaining > 0, f"no {pattern!r} in the output:\n{self.output}"
            if select.select([self._fd], [], [], remaining)[0]:
                self.output += os.read(self._fd, 65_536).decode(errors="replace")
        return match


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """Start ``sh`` with job control, as a terminal's window does."""
    controller, terminal_fd = pty.openpty()

    def own_terminal() -> None:
        fcntl.ioctl(terminal_fd, termios.TIOCSCTTY, 0)

    streams = {"stdin": terminal_fd, "stdout": terminal_fd, "stderr": terminal_fd}
    with subprocess.Popen(["sh", "-i"], cwd=ROOT, start_new_session=True, preexec_fn=own_terminal, **streams) as shell:  # type: ignore[call-overload]  # the streams
        os.close(terminal_fd)
        yield Terminal(shell, controller)
        shell.kill()
    os.close(controller)


def make_dev(dev: DevProcess) -> str:
    """Return the command line: with this Python's environment, which isn't installed again."""
    dev.directory.mkdir()
    options = " ".join([*dev.command()[len(dev.command()) - 10 :], "--app-dir", str(dev.directory)])
    return f"make BIN={BIN} -o .venv/.installed dev ARGS='{options}'"
