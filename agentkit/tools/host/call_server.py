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
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from agentkit.errors import ResultUnreadable, ToolError
from agentkit.interfaces import CallSignals, ProbedTool, Tool, ToolContext, ToolProgress
from agentkit.interfaces.probe import probe_record
from agentkit.tools.function_threads import FUNCTION_THREADS, TrackedThreads
from agentkit.tools.host.host_channel import ChannelLogHandler, HostChannel
from agentkit.tools.host.host_messages import (
    MAX_MESSAGE_BYTES,
    CallRequest,
    CallResponse,
    CallTraces,
    encode,
    error_record,
    value_response,
)

__all__ = ["CallServer", "project_files"]

logger = logging.getLogger("opspawn.tools")

_MAX_THREADS = 32
"""Of asyncio's default executor, for tools that use it; a plain function runs in ``FUNCTION_THREADS``."""
_MAX_ERROR_CHARS = 100_000
_PROGRESS_INTERVAL_S = 0.1
"""Reports of progress that follow sooner are dropped: watchers get one a second at most."""
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
        self._call_number = 0
        self._cancelled = False
        self._reported_at = 0.0

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
            if message["kind"] == "call":
                self._call_number, self._cancelled = message["call_number"], False
                self._call = asyncio.create_task(self._serve(message))
            elif message["call_number"] == self._call_number and self._call is not None:
                self._cancelled = True
                self._call.cancel()

    async def _serve(self, request: CallRequest) -> None:
        self._log.start_call()
        try:
            response = await self._respond(request)
        except BaseException as error:  # whatever a tool raises ends its call alone
            response = self._failure(request, error)
        self._call = None
        _flush_output()
        self._reset_process()
        response["traces"] = self._traces()
        self._channel.send_encoded(self._encoded(request["tool"], response))

    async def _respond(self, request: CallRequest) -> CallResponse:
        tool, number = self._tools[request["tool"]], request["call_number"]
        context = ToolContext.model_validate(request["context"]).with_secrets(request.get("secrets", {}))
        context = context.with_signals(CallSignals(partial(self._report, number)))
        try:
            if request.get("is_probe"):
                outcome = await cast("ProbedTool", tool).probe(request["arguments"], context)
                return value_response(number, probe_record(outcome))
            return value_response(number, await tool.call(request["arguments"], context))
        except ToolError as error:
            if isinstance(error.__cause__, MemoryError):
                raise error.__cause__ from None
            return _error_response(number, error)

    def _report(self, call_number: int, progress: ToolProgress) -> None:
        """Send a report of progress, unless the last one was a moment ago."""
        now = time.monotonic()
        if now - self._reported_at < _PROGRESS_INTERVAL_S and progress.fraction != 1:
            return
        self._reported_at = now
        self._channel.send({"kind": "progress", "call_number": call_number, "progress": progress.model_dump()})

    def _failure(self, request: CallRequest, error: BaseException) -> CallResponse:
        name, number = request["tool"], request["call_number"]
        if self._cancelled and isinstance(error, asyncio.CancelledError):
            return {"kind": "cancelled", "call_number": number, "traces": {}}
        logger.error("Tool call failed", exc_info=error)
        text = f"{name} failed: {type(error).__name__}: {_text(error)[:_MAX_ERROR_CHARS]}"
        if isinstance(error, MemoryError):
            text += _memory_hint()
        return _error_response(number, ToolError(text))

    def _encoded(self, name: str, response: CallResponse) -> bytes:
        line = encode(response)
        if len(line) <= MAX_MESSAGE_BYTES:
            return line
        text = (
            f"{name} did its work, but what it returned is too large: {len(line) / 1e6:.0f} MB, "
            f"{MAX_MESSAGE_BYTES / 1e6:.0f} MB at most. Don't call it again for that; ask for less at a time."
        )
        return encode(_error_response(response["call_number"], ResultUnreadable(text), response["traces"]))

    def _reset_process(self) -> None:
        """Undo what would disturb calls of other tools."""
        with contextlib.suppress(OSError):
            os.chdir(self._directory)
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _traces(self) -> CallTraces:
        """Return what the call left behind."""
        traces: CallTraces = {}
        tasks = len(asyncio.all_tasks()) - 2  # this call's and the server's own
        pools = (self._default_threads, FUNCTION_THREADS)
        threads = _thread_count() - self._thread_count - sum(len(pool.threads) for pool in pools)
        count = tasks + threads + sum(len(pool.unfinished) for pool in pools) + _has_children()
        if count > 0:
            traces["leftover_count"] = count
        if _peak_memory() - self._memory > _MAX_GROWTH_BYTES:
            traces["has_grown"] = True
        if len(sys.modules) != self._module_count:
            self._module_count = len(sys.modules)
            traces["imported_files"] = project_files(self._app_dir)
        return traces


def _error_response(call_number: int, error: ToolError, traces: CallTraces | None = None) -> CallResponse:
    record = error_record(error, _MAX_ERROR_CHARS)
    return {"kind": "error", "call_number": call_number, "error": record, "traces": traces or {}}


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
