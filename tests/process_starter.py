"""Start ``python -m MODULE`` within milliseconds: fork a process that has imported the module already.

A worker or an API imports for one to two seconds before it does anything. Tests that start many of them fork each from
one process that has done so and does nothing else. The started process is real: it has its own environment, output
and event loop, and is killed and waited for like any other. Only its command line in ``ps`` is the process starter's.

``python -m tests.process_starter MODULE...`` is that process: it reads one line of JSON for each request from its
input, and writes one line for each response. When its input ends, it kills what it started.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["PreloadedProcess", "ProcessStarter"]

_POLL_S = 0.01
_IMPORTS = ("worker", "api.server")


class PreloadedProcess:
    """A process that a ``ProcessStarter`` started: the part of ``subprocess.Popen`` that tests use."""

    def __init__(self, server: ProcessStarter, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def poll(self) -> int | None:
        """Return the exit code, negative for the number of a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = self._server.request({"wait": self.pid})
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Return the exit code, once it has ended."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(_POLL_S)  # noqa: TID251  # its parent is another process, so there is nothing to wait on
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)


class ProcessStarter:
    """The process that forks. Start it once for many tests, and close it after them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *_IMPORTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def start(self, module: str, environment: Mapping[str, str], log: Path) -> PreloadedProcess:
        """Start ``python -m module`` with this environment; its output is appended to a file."""
        return PreloadedProcess(
            self, self.request({"module": module, "environment": dict(environment), "log": str(log)})
        )

    def close(self) -> None:
        """Kill what it started, and end."""
        self._process.communicate()

    def request(self, message: Mapping[str, Any]) -> Any:
        """Return the response to one request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process starter has ended"
        return json.loads(line)


def _serve(modules: Sequence[str]) -> None:
    """Answer requests until the input ends. It has one thread only: no other would live on in a child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in modules:
        importlib.import_module(module)
    running: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "module" in request:
            running.add(started := _fork(request))
            response: int | None = started
        else:
            response = _exit_code(request["wait"])
            running -= {request["wait"]} if response is not None else set()
        os.write(1, json.dumps(response).encode() + b"\n")
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _fork(request: Mapping[str, Any]) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        _become(request)
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:  # as at the end of any Python process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _become(request: Mapping[str, Any]) -> None:
    """Take the environment and the output of the process to start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()  # noqa: TID251  # the started process has its own
    os.environ.update(request["environment"])  # noqa: TID251
    files = ((os.devnull, os.O_RDONLY, 0), (request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 1))
    for name, flags, target in files:
        descriptor = os.open(name, flags, 0o644)
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.dup2(1, 2)
    sys.argv = [request["module"]]


def _exit_code(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


if __name__ == "__main__":
    _serve(sys.argv[1:])
