"""A process that checks outputs, arguments and answers: for each a line of JSON on stdin, and one on stdout."""

from __future__ import annotations

import json
import resource
import sys
import threading

from agentkit.interfaces import OutputCheck
from agentkit.schemas.output_check import check_arguments, check_output, check_value

__all__ = ["main"]

_MAX_MEMORY_BYTES = 2 << 30
_STACK_BYTES = 256 << 20
"""Recursive schemas take many frames for each level of a value; of the memory only what is used is allocated."""
_RECURSION_LIMIT = 100_000
_MAX_ERROR_CHARS = 300


def _serve() -> None:
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(_check(line).canonical_json() + b"\n")
        sys.stdout.buffer.flush()


def _check(line: bytes) -> OutputCheck:
    try:
        request = json.loads(line)
        if "arguments" in request:
            return check_arguments(request["arguments"], request["schema"])
        if "value" in request:
            return check_value(request["value"], request["schema"])
        return check_output(request["text"], request["schema"])
    except Exception as error:  # the boundary: users write schemas, and models texts
        return OutputCheck(failure=f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARS])


def main() -> None:
    """Check until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(_RECURSION_LIMIT)
    threading.stack_size(_STACK_BYTES)
    thread = threading.Thread(target=_serve)
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
