"""Ports for servers that tests start: no other test process of this machine gets the same one."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PORTS = range(20_000, 30_000)
"""Below those that the kernel assigns to other sockets: from 32768 (Linux) or 49152 (macOS)."""
_LOCK_FILES: list[int] = []
"""File descriptors; the locks on them are held until this process ends."""


def reserve_port() -> int:
    """Return a free port of 127.0.0.1 that stays reserved until this process ends."""
    directory = Path(tempfile.gettempdir()) / f"opspawn-test-ports-{os.getuid()}"
    directory.mkdir(exist_ok=True)
    for port in random.sample(_PORTS, len(_PORTS)):
        lock_file = os.open(directory / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        if _lock(lock_file) and _is_free(port):
            _LOCK_FILES.append(lock_file)
            return port
        os.close(lock_file)
    raise RuntimeError(f"no port of {_PORTS} is free")


@contextmanager
def refusing_port() -> Iterator[int]:
    """Hold a port that refuses connections: bound, so that no other process gets it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def _lock(lock_file: int) -> bool:
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
