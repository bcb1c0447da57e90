"""A worker's view of one tool host: it sends calls to it, and logs its output."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from typing import Any

from pydantic import JsonValue

from agentkit.errors import ToolInterrupted, ToolNotStarted
from agentkit.interfaces import CallSignals, ToolContext, ToolProgress
from agentkit.tools.host.host_messages import (
    CallRequest,
    CallResponse,
    CancelRequest,
    ErrorResponse,
    HostReport,
    LineBuffer,
    LogReport,
    ReadyReport,
    ValueResponse,
    decode,
    encode,
)

__all__ = ["ToolHost"]

logger = logging.getLogger("opspawn.tools")

_CompletedCall = ValueResponse | ErrorResponse

_CANCEL_GRACE_S = 1.0
"""Seconds that a cancelled async function may take to end; then its process is ended."""
_LAST_BYTES_S = 0.2
"""Seconds to wait, after the process ended, for a response that it sent before."""
_MAX_OUTPUT_LINES = 1_000
"""The most lines of one call's output in the worker's log."""
_MAX_IMPORT_LINES = 50
_MAX_LINE_CHARS = 8_192
_MAX_LOG_RECORDS = 2_000
"""The most log records of one call. A host limits them itself to fewer; one that sends more is ended."""
_MAX_RECORD_CHARS = 32_768
_READ_BYTES = 65_536
_DROPPED_OUTPUT_PAUSE_S = 0.05
"""Seconds between two reads of output that is no longer logged, so that reading it takes the worker little CPU."""


class ToolHost(asyncio.Protocol):
    """One host. It runs one call at a time."""

    def __init__(self, output_fd: int, kill: Callable[[ToolHost], None]) -> None:
        """Set up; ``kill`` ends the host's process."""
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[ReadyReport] = self._loop.create_future()
        """Set when the host has imported the tools: its message about them."""
        self.ended: asyncio.Future[str] = self._loop.create_future()
        """Set when the process has ended: a description of how, for people."""
        self.disconnected: asyncio.Future[None] = self._loop.create_future()
        """Set when the connection is closed."""
        self.pid: int | None = None
        self.reserved_for: str | None = None
        """The tool that has left threads, tasks or child processes behind; only that tool is called here again."""
        self.needs_replacement = False
        """Whether no further call is to be sent: it has used too much memory, or is being ended."""
        self.idle_since = 0.0
        self.imported_files: Sequence[str] = ()
        """Files of the project that a call imported, beside those that the tool files import."""
        self.stopping: asyncio.Task[_CompletedCall | None] | None = None
        """The end of a cancelled call."""
        self._kill = kill
        self._reason: str | None = None
        """Why the worker has ended the process."""
        self._transport: asyncio.Transport | None = None
        self._lines = LineBuffer()
        self._is_connected = False
        self._tool = "tools"
        self._call_number = 0
        self._response: asyncio.Future[CallResponse] = self._loop.create_future()
        self._log_records = 0
        self._context = copy_context()
        """Of the newest call, so that its log is that of its task."""
        self._report = CallSignals().report
        self._output = _OutputLog(self._loop, output_fd)
        self.ended.add_done_callback(self._on_ended)

    @property
    def is_usable(self) -> bool:
        """Whether another call can be sent."""
        return self._is_connected and not self.ended.done() and self._response.done() and not self.needs_replacement

    async def call(
        self, tool: str, arguments: Mapping[str, JsonValue], context: ToolContext, *, is_probe: bool = False
    ) -> _CompletedCall:
        """Send a call of the tool, or of its probe, and return the response: a value or an error.

        When a cancelled call returns, it has stopped: an async function gets its ``CancelledError`` and a second of
        grace, then the process is ended; that of a plain function at once. If the call was completed all the same,
        its response is returned.

        Raises:
            ToolNotStarted: the process had ended.
            ToolInterrupted: the process ended before it responded.
        """
        self._tool, self._call_number, self._log_records = tool, self._call_number + 1, 0
        self._context = copy_context()
        self._output.start_call(tool)
        self._report = context.signals.report
        self._response = self._loop.create_future()
        request: CallRequest = {
            "kind": "call",
            "call_number": self._call_number,
            "tool": tool,
            "arguments": arguments,
            "context": context.model_dump(mode="json"),
        }
        if context.secrets:
            request["secrets"] = {**context.secrets}
        if is_probe:
            request["is_probe"] = True
        if self._transport is None or not self._is_connected:
            self._response.cancel()
            raise ToolNotStarted(f"{tool} was not called: its process has ended.")
        self._transport.write(encode(request))
        try:
            response = await self._response
        except asyncio.CancelledError:
            self.stopping = asyncio.create_task(self._stop_call())
            completed = await asyncio.shield(self.stopping)
            if completed is None:
                raise
            return completed
        if response["kind"] == "cancelled":
            raise ToolInterrupted(f"{tool} failed: its call was cancelled in its process.")
        return response

    async def _stop_call(self) -> _CompletedCall | None:
        """Cancel the call, and end the process if that doesn't stop it; return the response of a completed call."""
        if self._response.cancelled():
            self._response = self._loop.create_future()
        if self._transport is not None:
            request: CancelRequest = {"kind": "cancel", "call_number": self._call_number}
            self._transport.write(encode(request))
        await asyncio.wait([self._response], timeout=_CANCEL_GRACE_S)
        response = self._received()
        if response is None or (response["kind"] == "cancelled" and response["traces"].get("leftover_count")):
            self._log_stop(response)
            self.end()
            ends: list[asyncio.Future[Any]] = [self._response, self.ended]
            await asyncio.wait(ends)
            response = self._received()
        return None if response is None or response["kind"] == "cancelled" else response

    def _log_stop(self, response: CallResponse | None) -> None:
        if response is None:
            text = (
                "%s did not react to its cancellation within %g s: its process was ended. Does it block its event loop?"
            )
            logger.warning(text, self._tool, _CANCEL_GRACE_S)
        else:
            logger.info("%s was cancelled: its process was ended, to stop what it had started", self._tool)

    def _received(self) -> CallResponse | None:
        if not self._response.done() or self._response.cancelled() or self._response.exception() is not None:
            return None
        return self._response.result()

    def end(self, reason: str | None = None) -> None:
        """End the process, and the processes that it has started; a running call fails with the reason."""
        self._reason = self._reason or reason
        self.needs_replacement = True
        self._kill(self)

    def disconnect(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the connection's transport."""
        if isinstance(transport, asyncio.Transport):
            self._transport, self._is_connected = transport, True
        if self.ended.done():
            self.disconnect()

    def data_received(self, data: bytes) -> None:
        """Handle the messages that have arrived; end a host that sends anything else."""
        try:
            for line in self._lines.feed(data):
                self._on_message(decode(line))
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("The process of %s sent an invalid message and was ended: %s", self._tool, error)
            self.end("was ended, because it disturbed the connection to the worker")
            self.disconnect()

    def connection_lost(self, error: Exception | None) -> None:
        """End the process, if it hasn't ended."""
        self._is_connected = False
        if not self.disconnected.done():
            self.disconnected.set_result(None)
        if self.ended.done():
            self._fail_call()
        else:
            self._loop.call_later(_LAST_BYTES_S, self._end_disconnected)

    def _end_disconnected(self) -> None:
        if not self.ended.done():
            self.end("has closed the connection to the worker")

    def _on_message(self, message: HostReport) -> None:
        if message["kind"] == "log":
            self._on_log(message)
        elif message["kind"] == "ready":
            if not self.ready.done():
                self.ready.set_result(message)
                self._response.cancel()  # idle
        elif message["call_number"] == self._call_number and not self._response.done():
            if message["kind"] == "progress":
                self._report(ToolProgress.model_validate(message["progress"]))
            else:
                self._on_response(message)

    def _on_response(self, response: CallResponse) -> None:
        traces = response["traces"]
        if traces.get("leftover_count"):
            self.reserved_for = self._tool
        self.needs_replacement |= bool(traces.get("has_grown"))
        self.imported_files = traces.get("imported_files", ())
        self._output.end_call()
        self._response.set_result(response)

    def _on_log(self, record: LogReport) -> None:
        self._log_records += 1
        if self._log_records > _MAX_LOG_RECORDS:
            raise ValueError("too many log records")
        level, text = int(record["level"]), str(record["text"])[:_MAX_RECORD_CHARS]
        self._context.run(logger.log, level, "%s: [%s] %s", self._tool, record["logger"], text)

    def _on_ended(self, _: asyncio.Future[str]) -> None:
        self._output.close(has_failed=not self.ready.done())
        if self._is_connected:
            self._loop.call_later(_LAST_BYTES_S, self._fail_call)
        else:
            self._fail_call()

    def _fail_call(self) -> None:
        self.disconnect()
        if not self._response.done():
            how = self._reason or (self.ended.result() if self.ended.done() else "is gone")
            self._response.set_exception(ToolInterrupted(f"{self._tool} failed: its process {how}."))
            self._response.exception()  # it may have no reader: asyncio would log that


class _OutputLog:
    """Logs what a host writes to its standard output and error, by lines."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self._loop = loop
        self._fd: int | None = fd
        self._tool = "tools"
        self._context = copy_context()
        self._rest = b""
        self._lines = 0
        self._is_paused = False
        self._imported: deque[str] | None = deque(maxlen=_MAX_IMPORT_LINES)
        """What the import of the tools has written, until it is over: it is the same in each host."""
        os.set_blocking(fd, False)
        loop.add_reader(fd, self._read)

    def start_call(self, tool: str) -> None:
        """Name the next output after this tool."""
        self._tool, self._lines, self._imported = tool, 0, None
        self._context = copy_context()

    def end_call(self) -> None:
        """Log the call's output that has arrived."""
        self._read()
        self._log(self._rest)
        self._rest = b""

    def close(self, *, has_failed: bool = False) -> None:
        """Log the last output, and that of an import that has failed, and close the pipe."""
        if self._fd is None:
            return
        self.end_call()
        for line in (self._imported or ()) if has_failed else ():
            logger.warning("tools: %s", line)
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _read(self) -> None:
        if self._fd is None or self._is_paused:
            return
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._fd)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_CHARS:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._log(line)
        if self._lines > _MAX_OUTPUT_LINES:
            self._pause()

    def _log(self, raw: bytes) -> None:
        text = raw.decode(errors="replace").rstrip()[:_MAX_LINE_CHARS]
        if not text:
            return
        if self._imported is not None:
            self._imported.append(text)
            return
        self._lines += 1
        if self._lines <= _MAX_OUTPUT_LINES:
            self._context.run(logger.info, "%s: %s", self._tool, text)
        elif self._lines == _MAX_OUTPUT_LINES + 1:
            self._context.run(logger.warning, "%s: further output of this call is dropped", self._tool)

    def _pause(self) -> None:
        if self._fd is not None:
            self._is_paused = True
            self._loop.remove_reader(self._fd)
            self._loop.call_later(_DROPPED_OUTPUT_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._is_paused = False
        if self._fd is not None:
            self._loop.add_reader(self._fd, self._read)
