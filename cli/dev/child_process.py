"""A child process: started in a process group of its own, its output read line by line, stopped for certain."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.dev.log_view import LogView

__all__ = ["Child", "ChildSpec", "Guard"]

_KEPT_LINES = 5
_GUARD_SECONDS = 6.0
_MAX_LINE = 16_384
"""Bytes after which a line is cut in two."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to start, and how to treat it."""

    name: str
    command: tuple[str, ...]
    shows: Callable[[str], bool]
    """Whether a line of its log is shown."""
    grace: float
    """Seconds between SIGTERM and SIGKILL."""


class Guard:
    """The process that stops the children when this one can't."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, lock_fd: int) -> Guard:
        """Start it; it keeps ``lock_fd`` open, so that the data directory stays locked until all are gone."""
        script = Path(__file__).with_name("process_guard.py")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(script)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock_fd,),
        )
        return cls(process)

    def watch(self, group: int) -> None:
        """Stop this process group when this process dies."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Leave this process group alone: it is gone."""
        self._tell(f"-{group}\n")

    async def close(self) -> None:
        """Let it end, once it has stopped what is left."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _GUARD_SECONDS)

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode())


class Child:
    """One child process after another under one name."""

    def __init__(self, spec: ChildSpec, view: LogView, guard: Guard) -> None:
        self.spec = spec
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        """What it wrote last and wasn't shown."""
        self._view = view
        self._guard = guard
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def live(self) -> str:
        """Start it and read its output until it ends; return how it ended, for people."""
        self.last_lines.clear()
        process = await asyncio.create_subprocess_exec(
            *self.spec.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._process = process
        self._guard.watch(process.pid)
        if self._stopping:
            _signal(process.pid, signal.SIGKILL)
        if process.stdout is not None:
            # Something it started may hold the pipe open after its end, so its end counts, not the pipe's.
            reading = asyncio.create_task(self._read(process.stdout))
            code = await process.wait()
            await asyncio.wait([reading], timeout=0.5)
            reading.cancel()
        else:
            code = await process.wait()
        _signal(process.pid, signal.SIGKILL)
        self._guard.forget(process.pid)
        self._process = None
        if code < 0:
            self.last_lines.clear()  # it was ended from outside: what it said before doesn't tell why
        return _ending(code)

    async def stop(self) -> None:
        """Ask it to end, wait, and kill what is left of its process group. Meant for one call, beside ``live``."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        _signal(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.spec.grace)
        except TimeoutError:
            self._view.say(f"{self.spec.name} did not stop within {self.spec.grace:g} s, and was killed.", "yellow")
        _signal(process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            _signal(self._process.pid, signal.SIGKILL)

    async def _read(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while block := await stream.read(65_536):
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > _MAX_LINE:
                lines.append(rest)
                rest = b""
            for line in lines:
                self._take(line)
        if rest:
            self._take(rest)

    def _take(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip()
        if not line:
            return
        if self.spec.shows(line):
            self._view.line(self.spec.name, line)
        else:
            self.last_lines.append(line)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses to signal a group of zombies
        os.killpg(group, number)
