"""The identity under which a worker polls: its process, its machine, and the app that it serves."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import dataclass

from activities.settings import Settings

__all__ = ["WorkerIdentity", "app_id", "is_running", "own_identity", "parse_identity"]

_IDENTITY = re.compile(r"(\d+)@([^\s/]+)/(\S+)")
_MAX_NAME_LENGTH = 40


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """``str()`` is what Temporal shows: ``PID@HOST/APP``. A step has it ten times in history."""

    pid: int
    host: str
    app: str
    """Id of the app, from ``app_id``."""

    @property
    def is_local(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def has_ended(self) -> bool:
        """Whether it is a process of this machine that is gone. False on other machines, where that can't be known."""
        return self.is_local and not is_running(self.pid)

    def __str__(self) -> str:
        return f"{self.pid}@{self.host}/{self.app}"


def app_id(settings: Settings) -> str:
    """Return the id of this app: ``app_name``, else the app directory's name and a hash of its path."""
    if settings.app_name is not None:
        return settings.app_name
    path = settings.app_dir.resolve()
    name = re.sub(r"[^\w.-]+", "-", path.name)[:_MAX_NAME_LENGTH]
    return f"{name or 'app'}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"


def own_identity(settings: Settings) -> WorkerIdentity:
    """Return the identity of a worker in this process."""
    return WorkerIdentity(os.getpid(), socket.gethostname(), app_id(settings))


def parse_identity(text: str) -> WorkerIdentity | None:
    """Return the identity that Temporal shows as ``text``; None: it isn't one of our workers'."""
    match = _IDENTITY.fullmatch(text)
    return WorkerIdentity(int(match[1]), match[2], match[3]) if match else None


def is_running(pid: int) -> bool:
    """Return whether this machine has a process ``pid``."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
