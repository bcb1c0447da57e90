"""Start and end tool hosts, through a fork server that ends with the worker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from agentkit.errors import ToolUnavailable
from agentkit.tools.host.host_environment import host_environment
from agentkit.tools.host.host_limits import HostLimits
from agentkit.tools.host.host_messages import ForkReport, KillRequest, LineBuffer, StartRequest, decode, encode
from agentkit.tools.host.tool_host import ToolHost

__all__ = ["ChildMode", "HostStarter", "child_command", "end_description"]

ChildMode = Literal["describe", "serve"]
"""What a process of a project's tools does: describe them, or start hosts that serve calls."""

_FORK_TIMEOUT_S = 10.0
"""Seconds in which the fork server must fork; else it is ended, and all hosts with it."""
_KILL_TIMEOUT_S = 5.0
"""Seconds after which a killed host is given up: it waits for a disk that doesn't respond, say."""
_CLOSE_TIMEOUT_S = 5.0
_READ_BYTES = 65_536


def child_command(mode: ChildMode, app_dir: Path, descriptor: int, memory_bytes: int, *skipped: str) -> Sequence[str]:
    """Return the command of a process that runs a project's code. It finds agentkit, and nothing else of ours."""
    entry = Path(__file__).with_name("child_entry.py")
    return (sys.executable, "-P", str(entry), mode, str(app_dir), str(descriptor), str(memory_bytes), *skipped)


def end_description(code: int) -> str:
    """Return how a process ended, for people and models; ``code`` is negative after a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", perhaps for lack of memory" if -code == signal.SIGKILL else ""
    return f"was ended by {name}{hint}"


class HostStarter:
    """Starts hosts for the tools of one app directory. It belongs to one event loop."""

    def __init__(self, app_dir: Path, limits: HostLimits) -> None:
        """Start the fork server."""
        self._loop = asyncio.get_running_loop()
        self._control, child_end = socket.socketpair()
        with child_end:
            self._process = subprocess.Popen(
                child_command("serve", app_dir, child_end.fileno(), limits.memory_bytes),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[child_end.fileno()],
                env=host_environment(limits.hidden_variables),
                start_new_session=True,  # Ctrl-C, and the end of the worker's group, is the worker's to act on
            )
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._on_readable)
        self._lines = LineBuffer()
        self._hosts: dict[int, ToolHost] = {}
        """All hosts that have not ended, by their number."""
        self._connected: set[ToolHost] = set()
        self._last_number = 0
        self.is_running = True

    async def start(self, names: Sequence[str]) -> ToolHost:
        """Start a host that imports the tool files of these names; it is not ready yet.

        Raises:
            ToolUnavailable: the fork server has ended.
        """
        connection, child_end = socket.socketpair()
        output, child_output = os.pipe()
        host = ToolHost(output, self._kill)
        self._last_number += 1
        self._hosts[self._last_number] = host
        request: StartRequest = {"kind": "start", "host_number": self._last_number, "files": names}
        try:
            socket.send_fds(self._control, [encode(request)], [child_end.fileno(), child_output])
        except OSError as error:
            connection.close()
            self._end_all()
            raise ToolUnavailable("the processes of the tools have ended") from error
        finally:
            child_end.close()
            os.close(child_output)
        self._loop.call_later(_FORK_TIMEOUT_S, self._end_all_unless_forked, host)
        self._connected.add(host)
        host.disconnected.add_done_callback(lambda _: self._connected.discard(host))
        await self._loop.create_unix_connection(lambda: host, sock=connection)
        return host

    def _kill(self, host: ToolHost) -> None:
        if host.ended.done():
            return
        if host.pid is not None:
            with suppress(OSError):
                request: KillRequest = {"kind": "kill", "pid": host.pid}
                self._control.send(encode(request))
        self._loop.call_later(_KILL_TIMEOUT_S, self._give_up, host)

    def _give_up(self, host: ToolHost) -> None:
        if not host.ended.done():
            host.ended.set_result("did not end when it was killed")

    def _end_all_unless_forked(self, host: ToolHost) -> None:
        if host.pid is None and not host.ended.done():
            self._end_all()

    def _on_readable(self) -> None:
        try:
            data = self._control.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end_all()
            return
        for line in self._lines.feed(data):
            self._on_report(decode(line))

    def _on_report(self, report: ForkReport) -> None:
        if report["kind"] == "started":
            host = self._hosts[report["host_number"]]
            host.pid = report["pid"]
            if host.needs_replacement:  # to be ended already
                self._kill(host)
            return
        for number, host in list(self._hosts.items()):
            if host.pid == report["pid"]:
                del self._hosts[number]
                if not host.ended.done():
                    host.ended.set_result(end_description(report["exit_code"]))

    def _end_all(self) -> None:
        """End the fork server and all hosts at once: it has ended, or doesn't do what it is asked for."""
        if not self.is_running:
            return
        self._disconnect()
        for pid in [self._process.pid, *(host.pid for host in self._hosts.values() if host.pid is not None)]:
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSE_TIMEOUT_S)
        self._forget_hosts()

    async def close(self) -> None:
        """End all hosts and the fork server, and wait for that."""
        if not self.is_running:
            return
        self._disconnect()  # it ends all hosts when it notices
        try:
            await asyncio.to_thread(self._process.wait, _CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget_hosts()
        connected = list(self._connected)
        for host in connected:
            host.disconnect()
        if connected:
            await asyncio.wait([host.disconnected for host in connected], timeout=_CLOSE_TIMEOUT_S)

    def abandon(self) -> None:
        """End all hosts and the fork server; for use when their event loop has been closed."""
        self.is_running = False
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSE_TIMEOUT_S)

    def _disconnect(self) -> None:
        self.is_running = False
        self._loop.remove_reader(self._control)
        self._control.close()

    def _forget_hosts(self) -> None:
        for host in self._hosts.values():
            if not host.ended.done():
                host.ended.set_result("was ended with all tool processes of this worker")
        self._hosts.clear()
