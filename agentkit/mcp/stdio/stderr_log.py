"""What an MCP server writes to stderr: a rotating log of bounded size, and the last lines for error messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

__all__ = ["StderrLog"]

_MAX_FILE_BYTES = 1_000_000
"""Of the log; as much again is kept of the one before."""
_MAX_BYTES_PER_S = 256_000
"""What is logged; a server that writes more than the disk can take would slow the worker down."""
_TAIL_BYTES = 4_096
_MAX_LINE_BYTES = 16_384
"""Longer lines are logged in parts; secrets are found within a line or part."""
_LAST_LINES = 10


class _LogFile(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore it: a full disk must not fail calls."""


class StderrLog:
    """The log of one server, over all its starts."""

    def __init__(self, path: Path, redact: Callable[[str], str]) -> None:
        self.path = path
        self._redact = redact
        self._file: _LogFile | None = None
        self._tail = b""
        self._partial_line = b""
        self._second = 0.0
        self._logged_bytes = 0
        self._omitted_bytes = 0

    def begin(self) -> None:
        """Forget the last lines of an earlier process."""
        self._tail = self._partial_line = b""

    def write(self, data: bytes) -> None:
        """Log what the server wrote, without secrets. Errors of the file are ignored."""
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        now = time.monotonic()
        if now - self._second >= 1:
            self._end_second(now)
        if self._logged_bytes >= _MAX_BYTES_PER_S:
            self._omitted_bytes += len(data)
            return
        self._logged_bytes += len(data)
        lines, newline, self._partial_line = (self._partial_line + data).rpartition(b"\n")
        if len(self._partial_line) > _MAX_LINE_BYTES:
            lines, self._partial_line = lines + newline + self._partial_line, b""
        if lines:
            self._append(self._redact(lines.decode(errors="replace")))

    def last_lines(self) -> str:
        """Return the last lines, without secrets; empty if there are none."""
        lines = self._redact(self._tail.decode(errors="replace")).splitlines()
        return "\n".join([line for line in lines if line.strip()][-_LAST_LINES:])

    def redacted(self, text: str) -> str:
        """Return what else the server wrote, without secrets."""
        return self._redact(text)

    def close(self) -> None:
        """Log what is left, and close the file."""
        if self._partial_line:
            self._append(self._redact(self._partial_line.decode(errors="replace")))
            self._partial_line = b""
        self._end_second(time.monotonic())
        if self._file is not None:
            self._file.close()

    def _end_second(self, now: float) -> None:
        self._second, self._logged_bytes = now, 0
        if self._omitted_bytes:
            self._append(f"[{self._omitted_bytes:,} bytes are left out here]")
            self._omitted_bytes = 0

    def _append(self, text: str) -> None:
        with suppress(OSError):
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = _LogFile(
                    self.path, maxBytes=_MAX_FILE_BYTES, backupCount=1, encoding="utf-8", errors="replace"
                )
            self._file.emit(logging.makeLogRecord({"msg": text}))
