"""Serve tool calls in a tool host: one at a time, from its worker's requests."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from agentkit.errors import ToolError
from agentkit.interfaces import Tool, ToolContext
from agentkit.tools.function_threads import FUNCTION_THREADS, TrackedThreads
from agentkit.tools.host.host_channel import ChannelLogHandler, HostChannel
from agentkit.tools.host.host_messages import MAX_MESSAGE_BYTES, HostMessage, encode, error_message

__all__ = ["CallServer", "project_files"]

logger = logging.getLogger("opspawn.tools")

_MAX_THREADS = 32
"""Of asyncio's default executor, for tools that use it; a plain function runs in ``FUNCTION_THREADS``."""
_MAX_ERROR_CHARS = 100_000
_MAX_GROWTH_BYTES = 512 * 1_048_576
"""A host whose memory has grown by more is replaced."""
_MAXRSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class CallServer:
    """Runs the calls that arrive on a channel."""

    def __init__(self, channel: HostChannel, tools: Mapping[str, Tool], app_dir: Path) -> None:
        self._channel = channel
        self._tools = tools
        self._app_dir = app_dir
        self._log = ChannelLogHandler(channel)
        self._default_threads = TrackedThreads(_MAX_THREADS)
        self._directory = os.getcwd()
        self._thread_count = _thread_count()
        self._memory = _peak_memory()
        self._module_count = len(sys.modules)
        self._call: asyncio.Task[None] | None = None
        self._call_id: object = None
        self._cancelled = False

    async def run(self) -> None:
        """Serve until the worker closes the connection; then the process ends."""
        logging.basicConfig(level=logging.INFO, handlers=[self._log], format="%(message)s", force=True)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(self._default_threads)
        loop.add_reader(self._channel.fileno(), self._on_readable)
        while True:
            with contextlib.suppress(asyncio.CancelledError):  # a tool that cancels all tasks ends its own call only
                await loop.create_future()

    def _on_readable(self) -> None:
        for message in self._channel.receive():
            if "call" in message:
                self._call_id, self._cancelled = message["call"], False
                self._call = asyncio.create_task(self._serve(message))
            elif message.get("cancel") == self._call_id and self._call is not None:
                self._cancelled = True
                self._call.cancel()

    async def _serve(self, message: HostMessage) -> None:
        self._log.start_call()
        name = str(message["tool"])
        try:
            response = await self._respond(name, message)
        except BaseException as error:  # whatever a tool raises ends its call alone
            response = self._failure(name, error)
        self._call = None
        _flush_output()
        self._reset_process()
        self._channel.send_encoded(self._encoded(name, {"done": message["call"], **response, **self._leftovers()}))

    async def _respond(self, name: str, message: HostMessage) -> HostMessage:
        tool = self._tools[name]
        context = ToolContext.model_validate(message["context"])
        arguments: dict[str, JsonValue] = message["arguments"]
        try:
            return {"value": await tool.call(arguments, context)}
        except ToolError as error:
            if isinstance(error.__cause__, MemoryError):
                raise error.__cause__ from None
            return {"error": error_message(error, _MAX_ERROR_CHARS)}

    def _failure(self, name: str, error: BaseException) -> HostMessage:
        if self._cancelled and isinstance(error, asyncio.CancelledError):
            return {"cancelled": True}
        logger.error("Tool call failed", exc_info=error)
        text = f"{name} failed: {type(error).__name__}: {_text(error)[:_MAX_ERROR_CHARS]}"
        if isinstance(error, MemoryError):
            text += _memory_hint()
        return {"error": {"type": "ToolError", "message": text}}

    def _encoded(self, name: str, response: HostMessage) -> bytes:
        line = encode(response)
        if len(line) <= MAX_MESSAGE_BYTES:
            return line
        text = (
            f"{name} did its work, but what it returned is too large: {len(line) / 1e6:.0f} MB, "
            f"{MAX_MESSAGE_BYTES / 1e6:.0f} MB at most. Don't call it again for that; ask for less at a time."
        )
        kept = {key: value for key, value in response.items() if key != "value"}
        return encode({**kept, "error": {"type": "ToolError", "message": text}})

    def _reset_process(self) -> None:
        """Undo what would disturb calls of other tools."""
        with contextlib.suppress(OSError):
            os.chdir(self._directory)
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _leftovers(self) -> HostMessage:
        """Return the response's fields about what the call left behind; empty for most calls."""
        fields: HostMessage = {}
        tasks = len(asyncio.all_tasks()) - 2  # this call's and the server's own
        pools = (self._default_threads, FUNCTION_THREADS)
        threads = _thread_count() - self._thread_count - sum(len(pool.threads) for pool in pools)
        count = tasks + threads + sum(len(pool.unfinished) for pool in pools) + _has_children()
        if count > 0:
            fields["leftovers"] = count
        if _peak_memory() - self._memory > _MAX_GROWTH_BYTES:
            fields["memory_grown"] = True
        if len(sys.modules) != self._module_count:
            self._module_count = len(sys.modules)
            fields["files"] = project_files(self._app_dir)
        return fields


def project_files(app_dir: Path) -> Sequence[str]:
    """Return the files of the app directory that are imported as modules, without those of a virtual environment."""
    files = {str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
    root = f"{app_dir}{os.sep}"
    return sorted(file for file in files if file.startswith(root) and "site-packages" not in file)


def _thread_count() -> int:
    try:
        return os.stat("/proc/self/task").st_nlink  # a directory for each thread, also for those of C libraries
    except OSError:
        return _thread._count()


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT_BYTES


def _has_children() -> bool:
    """Return whether a child process runs, or has ended and was not waited for."""
    if not hasattr(os, "waitid"):  # macOS, before Python 3.13
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _memory_hint() -> str:
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = "" if limit == resource.RLIM_INFINITY else f" Its process may use {limit / 2**30:.3g} GiB."
    return f"{allowed} Ask for less at a time."


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its text can't be shown)"


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a tool may have closed or replaced it
            stream.flush()
