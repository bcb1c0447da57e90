"""Start a process whose start may be cancelled, and without the secrets in this one's environment."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

__all__ = ["plain_environment", "start_process"]

_PLAIN = ("HOME", "LANG", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV")
_PLAIN_STARTS = ("COV_CORE_", "DYLD_", "LC_", "LD_", "PYTHON")
_SECRET_ENDS = ("_KEY", "_PASSWORD", "_SECRET", "_TOKEN")


def plain_environment(*starts: str) -> dict[str, str]:
    """Return the variables of this process that programs need to run, and those whose names start with ``starts``.

    Names that look like secrets are left out: those that end in ``_KEY``, ``_PASSWORD``, ``_SECRET`` or ``_TOKEN``.
    """
    wanted = (*_PLAIN_STARTS, *starts)
    return {
        name: value
        for name, value in os.environ.items()
        if name in _PLAIN or (name.startswith(wanted) and not name.upper().endswith(_SECRET_ENDS))
    }


async def start_process(
    *command: str, end: Callable[[Process], Awaitable[None]] | None = None, **options: Any
) -> Process:
    """Return a started process, as ``asyncio.create_subprocess_exec`` does with the same ``options``.

    A call that is cancelled meanwhile ends the process, by ``end`` or by SIGKILL, before it raises. (asyncio's own
    function waits for ever when it is cancelled and the process ends before all of its pipes are connected.)

    Raises:
        OSError: it can't be started.
    """
    starting = asyncio.ensure_future(asyncio.create_subprocess_exec(*command, **options))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # Shielded again: a second cancellation must not reach the start either.
        await asyncio.shield(asyncio.ensure_future(_end_started(starting, end or _kill)))
        raise


async def _end_started(starting: asyncio.Future[Process], end: Callable[[Process], Awaitable[None]]) -> None:
    with suppress(OSError):
        await end(await starting)


async def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
