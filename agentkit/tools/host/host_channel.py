"""A tool host's end of the connection to its worker."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from typing import NoReturn

from agentkit.tools.host.host_messages import DescribeReport, HostReport, HostRequest, LineBuffer, decode, encode

__all__ = ["ChannelLogHandler", "HostChannel", "end_process_group"]

_MAX_RECORDS = 1_000
"""Log records of one call; further ones are dropped, so that a tool can't flood the worker's log."""
_MAX_RECORD_CHARS = 32_768
_READ_BYTES = 262_144


class HostChannel:
    """Sends and receives messages. Any thread may send.

    A process that a tool forks inherits it, and must not use it: there it is closed.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._lines = LineBuffer()
        os.register_at_fork(after_in_child=self._after_fork)

    @property
    def is_inherited(self) -> bool:
        """Whether this process is one that a tool has forked."""
        return os.getpid() != self._pid

    def fileno(self) -> int:
        """Return the file descriptor to wait for."""
        return self._connection.fileno()

    def send(self, message: HostReport | DescribeReport) -> None:
        """Send a message. The process ends when it is a tool's fork, or when the worker is gone."""
        self.send_encoded(encode(message))

    def send_encoded(self, line: bytes) -> None:
        """Send a message that is encoded already."""
        if self.is_inherited:
            os._exit(0)
        try:
            with self._lock:
                self._connection.sendall(line)
        except ConnectionError:
            end_process_group()
        except OSError:  # a tool has closed it
            os._exit(1)

    def receive(self) -> list[HostRequest]:
        """Return the messages that have arrived, without waiting. The process ends when the worker is gone."""
        try:
            data = self._connection.recv(_READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:  # a tool has closed it
            os._exit(1)
        if not data:
            end_process_group()
        return [decode(line) for line in self._lines.feed(data)]

    def _after_fork(self) -> None:
        self._connection.close()
        self._lock = threading.Lock()


def end_process_group() -> NoReturn:
    """End this process and the processes that it has started."""
    os.killpg(0, signal.SIGKILL)
    os._exit(1)


class ChannelLogHandler(logging.Handler):
    """Sends log records to the worker, with their tracebacks."""

    def __init__(self, channel: HostChannel) -> None:
        super().__init__()
        self._channel = channel
        self._remaining = _MAX_RECORDS

    def start_call(self) -> None:
        """Allow the next call its own number of records."""
        self._remaining = _MAX_RECORDS

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record, unless the call has sent too many."""
        if self._remaining <= 0:
            return
        self._remaining -= 1
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if self._channel.is_inherited:
            sys.stderr.write(f"{text[:_MAX_RECORD_CHARS]}\n")
            return
        self._channel.send(
            {"kind": "log", "level": record.levelno, "logger": record.name, "text": text[:_MAX_RECORD_CHARS]}
        )
