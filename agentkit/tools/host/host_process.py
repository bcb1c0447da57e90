"""Become a tool host: a process that imports a project's tools and serves calls until its worker is gone."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from agentkit.errors import ToolInvalid
from agentkit.interfaces import Tool
from agentkit.tools.host.call_server import CallServer, project_files
from agentkit.tools.host.host_channel import HostChannel
from agentkit.tools.host.host_messages import ToolRecord
from agentkit.tools.host.tool_files import ToolFiles

__all__ = ["describe_tools", "limit_memory", "run_host"]

_PR_SET_PDEATHSIG = 1
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_OOM_SCORE = "500"
"""A high score: when memory runs out, the kernel ends a host and not the worker."""


def run_host(connection: socket.socket, output_fd: int, app_dir: Path, names: Sequence[str], parent_pid: int) -> None:
    """Import the tool files of these names, then serve calls; never return."""
    _set_up_process(parent_pid)
    _redirect_output(output_fd)
    channel = HostChannel(connection)
    files = ToolFiles(app_dir)
    tools: dict[str, Tool] = {}
    import_errors: dict[str, str] = {}
    for path in files.paths():
        if path.name in names:
            try:
                for tool in files.load(path):
                    tools.setdefault(tool.spec.name, tool)
            except ToolInvalid as error:
                import_errors[path.name] = str(error)
    channel.send({"kind": "ready", "tools": sorted(tools), "import_errors": import_errors})
    server = CallServer(channel, tools, app_dir.resolve())
    # Not asyncio.run: when the loop fails, it would cancel the call, which is to end with the process.
    asyncio.new_event_loop().run_until_complete(server.run())


def describe_tools(connection: socket.socket, app_dir: Path, skipped: Sequence[str], memory_bytes: int) -> None:
    """Import the tool files, and report each file's tools or what is wrong with it."""
    _set_up_process(os.getppid())
    limit_memory(memory_bytes)
    channel = HostChannel(connection)
    files = ToolFiles(app_dir)
    for path in files.paths():
        if path.name in skipped:
            continue
        channel.send({"kind": "importing", "file": path.name})
        try:
            tools = files.load(path)
        except ToolInvalid as error:
            channel.send({"kind": "import_error", "message": str(error)})
            continue
        records: list[ToolRecord] = [
            {"spec": tool.spec.model_dump(mode="json"), "origin": tool.origin} for tool in tools
        ]
        channel.send({"kind": "tools", "tools": records})
    channel.send({"kind": "files", "files": project_files(app_dir.resolve())})


def limit_memory(memory_bytes: int) -> None:
    """Let allocations fail that would bring this process, or one that it starts, above ``memory_bytes``; 0: none.

    What is allocated counts, not what is reserved: a limit of the address space would end the runtimes of other
    languages, which reserve much more than they use. A tool may raise the limit for itself.
    """
    if memory_bytes:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = memory_bytes if most == resource.RLIM_INFINITY else min(memory_bytes, most)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))


def _set_up_process(parent_pid: int) -> None:
    """Separate the process from its worker's terminal and signals, and tie its life to its parent's."""
    with contextlib.suppress(OSError):  # already the leader of a session
        os.setpgid(0, 0)
    _ignore_signals()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    if os.getppid() != parent_pid:  # it has ended meanwhile
        os._exit(1)
    # multiprocessing's children would run this program's main module again.
    sys.modules["__main__"] = ModuleType("__main__")
    sys.argv = ["opspawn-tool-host"]


def _ignore_signals() -> None:
    """Ignore the signals that may be sent to a worker with all of its processes: the worker decides when they end.

    By handlers, which programs that a tool starts don't inherit. A process that it forks gets the default actions back,
    before a signal can reach it.
    """
    for number in _IGNORED:
        signal.signal(number, _do_nothing)
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED),
        after_in_child=_restore_signals,
    )


def _restore_signals() -> None:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)


def _do_nothing(number: int, frame: Any) -> None:
    pass


def _redirect_output(output_fd: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    os.close(null)
    os.close(output_fd)
    sys.stdout, sys.stderr = _text_output(1), _text_output(2)
    faulthandler.enable()  # after a crash the worker's log has the tool's line


def _text_output(fd: int) -> TextIO:
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
