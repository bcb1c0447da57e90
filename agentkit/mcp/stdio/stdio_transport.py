"""The stdio transport: a server's process below a guard, and its messages, each line up to a number of bytes.

The SDK's own transport has no bound for the length of a line, takes time quadratic in it (8 s for 20 MB), and neither
ends processes that left the server's process group nor tells that or why the server has ended.
"""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import ValidationError

from agentkit.mcp.reply_limits import shortened_reply
from agentkit.mcp.stdio import stdio_guard_program
from agentkit.mcp.stdio.line_reader import Line, LineReader
from agentkit.process_start import start_process

__all__ = ["END_TIMEOUT_S", "ServerProcess", "stdio_transport"]

END_TIMEOUT_S = 6.0
"""What the guard needs for a server that ignores everything but SIGKILL, and a second more."""
_CHUNK_BYTES = 262_144
_REPLY_ID = re.compile(rb'"id"\s*:\s*(\d{1,15})\s*[,}]')
"""The id of a request of ours in its reply; servers write it first or last."""
_REPLY_ENDS_BYTES = 1_024
_MAX_GARBAGE_CHARS = 200

_Received = MemoryObjectSendStream[SessionMessage | Exception]
_Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


class ServerProcess:
    """A server's process and its guard."""

    def __init__(self, process: Process, on_stderr: Callable[[bytes], None]) -> None:
        self._process = process
        self._on_stderr = on_stderr
        self._stderr = asyncio.create_task(self._read_stderr())
        self.ended = asyncio.create_task(process.wait())
        """Done when the server, its descendants and the guard have ended."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it has ended, or has closed its output or input."""
        self.ended.add_done_callback(lambda _: self.set_closed())
        self.garbage = ""
        """The start of the last line on stdout that was no message."""

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        on_stderr: Callable[[bytes], None],
    ) -> ServerProcess:
        """Start the program with these variables only; it gets what it writes to stderr by ``on_stderr``.

        Raises:
            OSError: there is no such directory, or no process can be started.
        """
        guard = [sys.executable, "-I", "-S", stdio_guard_program.__file__, *command]
        process = await start_process(
            *guard,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
            limit=_CHUNK_BYTES,
        )
        return cls(process, on_stderr)

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, 128 and more after a signal; None while it runs."""
        return self._process.returncode

    def set_closed(self) -> None:
        """Take note that it exchanges no more messages."""
        if not self.closed.done():
            self.closed.set_result(None)

    async def end(self) -> bool:
        """Close its input and wait until it has ended; return whether it did, without the guard being killed."""
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.transport.abort()  # not close: a server that reads nothing would never see it
        discarding = asyncio.create_task(self._discard_output())  # asyncio waits for the end of all pipes
        done, _ = await asyncio.wait({self.ended}, timeout=END_TIMEOUT_S)
        if not done:
            with suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.wait({self.ended}, timeout=1.0)
        await asyncio.wait({self._stderr}, timeout=1.0)
        for task in (self._stderr, self.ended, discarding):
            task.cancel()
        return bool(done)

    async def read(self) -> bytes:
        """Return the next bytes of its output; none at the end."""
        assert self._process.stdout is not None
        return await self._process.stdout.read(_CHUNK_BYTES)

    async def write(self, data: bytes) -> None:
        """Write to its input.

        Raises:
            ConnectionError: it has closed it.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def stderr_ended(self, timeout_s: float) -> None:
        """Wait until all of its stderr is read."""
        await asyncio.wait({self._stderr}, timeout=timeout_s)

    async def _discard_output(self) -> None:
        while await self.read():
            pass

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(_CHUNK_BYTES):
            self._on_stderr(data)


@asynccontextmanager
async def stdio_transport(process: ServerProcess, max_line_bytes: int) -> AsyncIterator[_Streams]:
    """Return the streams of received and of sent messages. The process is not ended.

    A line that is no message is ignored, but kept in ``process.garbage``. A reply that is too long is replaced by its
    start and a note, and one that can't be read by an error.
    """
    received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    async with received, incoming, outgoing, to_send, anyio.create_task_group() as tasks:
        tasks.start_soon(_receive, process, received, max_line_bytes)
        tasks.start_soon(_send, process, to_send, received)
        yield incoming, outgoing
        tasks.cancel_scope.cancel()


async def _receive(process: ServerProcess, received: _Received, max_line_bytes: int) -> None:
    """Pass on messages until the output ends."""
    lines = LineReader(max_line_bytes)
    async with received:
        while data := await process.read():
            for line in lines.feed(data):
                message = _message_of(line, max_line_bytes)
                if message is not None:
                    await received.send(message)
                elif line.start.strip():
                    process.garbage = line.start[:_MAX_GARBAGE_CHARS].decode(errors="replace")
        process.set_closed()


async def _send(
    process: ServerProcess, to_send: MemoryObjectReceiveStream[SessionMessage], received: _Received
) -> None:
    try:
        async for sent in to_send:
            await process.write(sent.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
    except ConnectionError:
        process.set_closed()
        await received.aclose()  # its requests fail at once


def _message_of(line: Line, max_line_bytes: int) -> SessionMessage | None:
    """Return the message of a line, or what stands for a reply that is too long or can't be read; else None."""
    text = line.start.decode(errors="replace")
    if line.end is None:
        with suppress(ValidationError):
            return SessionMessage(jsonrpc_message_adapter.validate_json(text, by_name=False))
    elif (request_id := _reply_id(line.start, line.end)) is not None:
        shortened = shortened_reply(text.encode(), max_line_bytes, request_id)
        if shortened is not None:
            return SessionMessage(jsonrpc_message_adapter.validate_json(shortened, by_name=False))
        return _error_reply(request_id, f"The reply is longer than max_result_bytes ({max_line_bytes:,} bytes).")
    request_id = _reply_id(line.start, line.start[-_REPLY_ENDS_BYTES:])
    if request_id is None or b'"jsonrpc"' not in line.start:
        return None
    return _error_reply(request_id, "The reply is no valid JSON-RPC message.")


def _reply_id(start: bytes, end: bytes) -> int | None:
    """Return the id of the request that a reply is for, from the start and the end of its line."""
    first = _REPLY_ID.search(start[:_REPLY_ENDS_BYTES].partition(b'"result"')[0])
    last = _REPLY_ID.findall(end)
    if b'"method"' in start[:_REPLY_ENDS_BYTES] or not (first or last):
        return None
    return int(first[1] if first else last[-1])


def _error_reply(request_id: int, message: str) -> SessionMessage:
    error = ErrorData(code=PARSE_ERROR, message=message)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request_id, error=error))
