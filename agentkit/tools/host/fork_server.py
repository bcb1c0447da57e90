"""The fork server of a worker's tool hosts.

It imports agentkit, and none of the project's code: it has no thread, no connection and no state of the project when
it forks, and a host starts in milliseconds. It reports when hosts end, kills them with their process groups when asked
to, and kills all when the worker is gone.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from agentkit.tools.host.host_messages import ForkReport, ForkRequest, LineBuffer, StartRequest, decode, encode
from agentkit.tools.host.host_process import limit_memory, run_host

__all__ = ["ForkServer"]

_READ_BYTES = 65_536
_MAX_DESCRIPTORS = 64
"""The most file descriptors received with one read; each host to start has two."""


class ForkServer:
    """Serves requests to start and kill hosts."""

    def __init__(self, control: socket.socket, app_dir: Path, memory_bytes: int) -> None:
        self._control = control
        self._app_dir = app_dir
        self._memory_bytes = memory_bytes
        self._lines = LineBuffer()
        self._descriptors: list[int] = []
        self._hosts: set[int] = set()
        self._wakeup, self._wakeup_writer = socket.socketpair()

    def run(self) -> None:
        """Serve until the worker closes the connection, then kill all hosts."""
        self._listen_for_ended_children()
        gc.collect()
        gc.freeze()  # hosts share this memory until they write to it
        try:
            while True:
                readable, _, _ = select.select([self._control, self._wakeup], [], [])
                if self._wakeup in readable:
                    self._wakeup.recv(_READ_BYTES)
                if self._control in readable and not self._receive():
                    return
                self._report_ended()
        except OSError:  # the worker is gone
            return
        finally:
            for pid in self._hosts:
                _kill(pid)

    def _listen_for_ended_children(self) -> None:
        for end in (self._wakeup, self._wakeup_writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wakeup_writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _ignore)  # the worker decides when it ends

    def _receive(self) -> bool:
        """Carry out the requests that have arrived; return False when the worker has closed the connection."""
        data, descriptors, _, _ = socket.recv_fds(self._control, _READ_BYTES, _MAX_DESCRIPTORS)
        self._descriptors += descriptors
        if not data:
            return False
        for line in self._lines.feed(data):
            request: ForkRequest = decode(line)
            if request["kind"] == "start":
                self._start(request)
            elif request["pid"] in self._hosts:
                _kill(request["pid"])
        return True

    def _start(self, request: StartRequest) -> None:
        connection, output, *self._descriptors = self._descriptors
        server_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_host(connection, output, request, server_pid)
        os.close(connection)
        os.close(output)
        with suppress(OSError):  # the host does so, too; whoever is first
            os.setpgid(pid, pid)
        self._hosts.add(pid)
        self._send({"kind": "started", "host_number": request["host_number"], "pid": pid})

    def _become_host(self, connection: int, output: int, request: StartRequest, server_pid: int) -> None:
        """Never return."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._control, self._wakeup, self._wakeup_writer):
                end.close()
            for descriptor in self._descriptors:  # of hosts that are started next
                os.close(descriptor)
            limit_memory(self._memory_bytes)
            run_host(socket.socket(fileno=connection), output, self._app_dir, request["files"], server_pid)
        except BaseException:  # such as SystemExit in a task that a tool has left behind
            traceback.print_exc()
        finally:
            os._exit(1)

    def _send(self, report: ForkReport) -> None:
        self._control.sendall(encode(report))

    def _report_ended(self) -> None:
        for pid in list(self._hosts):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._hosts.discard(pid)
                with suppress(OSError):
                    os.killpg(pid, signal.SIGKILL)  # what it has started
                self._send({"kind": "ended", "pid": pid, "exit_code": os.waitstatus_to_exitcode(status)})


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # the group, and the host itself should it have left that
        with suppress(OSError):
            kill(pid, signal.SIGKILL)


def _ignore(number: int, frame: Any) -> None:
    pass
