"""Exit from a process that has used Temporal's SDK."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

__all__ = ["exit_process"]


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
