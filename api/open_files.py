"""The limit of open files: raised when the API starts, and logged once a minute where it is reached."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import time
from collections.abc import Callable
from typing import Any

__all__ = ["OpenFilesLog", "affordable_connections"]

logger = logging.getLogger(__name__)
_RESERVED_FILES = 200
"""For Temporal, payload files, logs, and connections that are being refused."""
_LOG_INTERVAL_S = 60.0
_EXHAUSTED = (errno.EMFILE, errno.ENFILE)


def affordable_connections(wanted: int) -> int:
    """Raise this process's limit of open files where needed, and return how many connections of each API fit into it.

    There are two APIs, REST and gRPC, so each connection counts twice.
    """
    needed = 2 * wanted + _RESERVED_FILES
    limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_below(limit, needed):
        raised = min(needed, hard_limit) if _is_below(hard_limit, needed) else needed
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard_limit))
            limit = raised
        except (ValueError, OSError):  # macOS has another maximum than the hard limit
            logger.debug("The limit of open files stays %d", limit)
    if not _is_below(limit, needed):
        return wanted
    connections = max((limit - _RESERVED_FILES) // 2, limit // 8, 1)
    logger.warning(
        "%d connections are the most that is taken, not %d (setting max_connections): this process may open %d files. "
        "Raise that limit with `ulimit -n %d`.",
        connections,
        wanted,
        limit,
        needed,
    )
    return connections


class OpenFilesLog:
    """An event loop's exception handler that logs "too many open files" once a minute, and all else as usual.

    Without it, asyncio logs a traceback each second in which a connection can't be accepted.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Log by ``clock``, in seconds."""
        self._clock = clock
        self._next_log = clock()

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error of the loop."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _EXHAUSTED:
            loop.default_exception_handler(context)
        elif self._clock() >= self._next_log:
            self._next_log = self._clock() + _LOG_INTERVAL_S
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            logger.error(
                "Too many open files (%s): no connection is accepted until others close. This process may open %d: "
                "raise that with `ulimit -n`, or lower the setting max_connections.",
                error.strerror,
                limit,
            )


def _is_below(limit: int, needed: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < needed
