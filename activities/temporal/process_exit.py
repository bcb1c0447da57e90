"""The end of a process that uses Temporal's SDK: signals that ask for it, and the exit."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import NoReturn

__all__ = ["exit_process", "stop_signal"]


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and Ctrl-C set from now on, instead of ending the process."""
    stop_requested = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_requested.set)
    return stop_requested


def exit_process(code: int) -> NoReturn:
    """Exit with this code, without finalizing Python; 1 instead of 0 if the output can't be flushed.

    The SDK's threads outlive its clients. A thread that delivers a response (for example to a cancelled call) while
    Python finalizes aborts the process with SIGABRT: "PyGILState_Release ... finalizing".
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # the reader of the pipe has closed it
            code = code or 1
    os._exit(code)
