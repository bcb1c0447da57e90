"""End a process that has used Temporal's SDK."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

__all__ = ["exit_process"]


def exit_process(code: int) -> NoReturn:
    """End the process with this exit code, without finalizing Python.

    The SDK's own threads outlive its clients. One that delivers an answer (to a call that was cancelled, say) while
    Python finalizes aborts the process with SIGABRT: "PyGILState_Release ... finalizing".
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # whoever read it is gone
            code = code or 1
    os._exit(code)
