"""A child process in a process group of its own: its output is read line by line, and nothing of it outlives us."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agentkit.process_start import start_process
from cli.dev.log_view import LogView

__all__ = ["ChildProcess", "ChildSpec", "ProcessGuard"]

_KEPT_LINES = 5
_GUARD_EXIT_TIMEOUT_S = 6.0
"""Longer than the guard's own grace period."""
_OUTPUT_DRAIN_TIMEOUT_S = 0.5
"""Seconds to read the output that is still in the pipe when the process has ended."""
_MAX_LINE_BYTES = 16_384
"""A longer line is cut, so that output without line breaks can't fill the memory."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to start, and how to show and stop it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """All of its variables: nothing else is inherited."""
    is_shown: Callable[[str], bool]
    """Whether a line of its log is shown."""
    grace_s: float
    """Seconds between SIGTERM and SIGKILL."""
    umask: int = -1
    """Which permissions its files don't get; -1: as this process's."""


class ProcessGuard:
    """A helper process that stops the children when ``opspawn dev`` dies without doing so."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, lock_fd: int) -> ProcessGuard:
        """Start the helper. It inherits ``lock_fd``: the data directory stays locked until all children are gone."""
        script = Path(__file__).with_name("process_guard.py")
        process = await start_process(
            sys.executable,
            *("-I", "-S", str(script)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock_fd,),
        )
        return cls(process)

    def add(self, group: int) -> None:
        """Stop this process group when this process dies."""
        self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Do not stop this process group: it has ended."""
        self._write(f"-{group}\n")

    async def close(self) -> None:
        """Have the helper stop the remaining groups and end, and wait for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _GUARD_EXIT_TIMEOUT_S)

    def _write(self, line: str) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode())


class ChildProcess:
    """Runs a ``ChildSpec``, as often as it is restarted."""

    def __init__(self, spec: ChildSpec, view: LogView, guard: ProcessGuard) -> None:
        self.spec = spec
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        """The newest lines of its log that were not shown."""
        self._view = view
        self._guard = guard
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def run(self) -> str:
        """Start the process, read its output until it ends, and return how it ended, for people.

        Raises:
            OSError: it can't be started.
        """
        self.last_lines.clear()
        process = await start_process(
            *self.spec.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self.spec.environment,
            start_new_session=True,
            umask=self.spec.umask,
        )
        self._process = process
        self._guard.add(process.pid)
        self._view.child_line(self.spec.name, f"started as process {process.pid}")
        if self._stopping:
            _signal_group(process.pid, signal.SIGKILL)
        if process.stdout is not None:
            # A descendant may hold the pipe open after the process has ended, so wait for the process, not for EOF.
            reading = asyncio.create_task(self._read(process.stdout))
            code = await process.wait()
            await asyncio.wait([reading], timeout=_OUTPUT_DRAIN_TIMEOUT_S)
            reading.cancel()
        else:
            code = await process.wait()
        _signal_group(process.pid, signal.SIGKILL)
        self._guard.remove(process.pid)
        self._process = None
        if code < 0:
            self.last_lines.clear()  # it was killed from outside: its last lines don't explain that
        return _ending(code)

    async def stop(self) -> None:
        """Send SIGTERM, wait for the grace period, and kill the rest of the process group. Called once."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.spec.grace_s)
        except TimeoutError:
            self._view.notice(
                f"{self.spec.name} did not stop within {self.spec.grace_s:g} s, and was killed.", "yellow"
            )
        _signal_group(process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the process group at once."""
        if self._process is not None:
            _signal_group(self._process.pid, signal.SIGKILL)

    async def _read(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while block := await stream.read(65_536):
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > _MAX_LINE_BYTES:
                lines.append(rest)
                rest = b""
            for line in lines:
                self._on_line(line)
        if rest:
            self._on_line(rest)

    def _on_line(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip()
        if not line:
            return
        if self.spec.is_shown(line):
            self._view.child_line(self.spec.name, line)
        else:
            self.last_lines.append(line)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses to signal a group of zombies
        os.killpg(group, number)
