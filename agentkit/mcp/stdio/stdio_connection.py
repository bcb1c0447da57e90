"""One run of a stdio server: its process, its client, and the task that starts and ends both."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp_types import UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agentkit.errors import McpServerUnavailable
from agentkit.mcp.client_identity import CLIENT_INFO
from agentkit.mcp.input_callbacks import InputCallbacks
from agentkit.mcp.protocol_choice import ProtocolMissing, adopt_version
from agentkit.mcp.server_problems import Phase, ProblemKind, leaf_errors, unavailable
from agentkit.mcp.stdio.stderr_log import StderrLog
from agentkit.mcp.stdio.stdio_transport import END_TIMEOUT_S, ServerProcess, stdio_transport
from agentkit.mcp_config.mcp_settings import McpServerSettings

__all__ = ["ServerProgram", "StdioConnection"]

_LOGGER = logging.getLogger(__name__)
_CLOSE_CLIENT_TIMEOUT_S = 2.0
_EXIT_TIMEOUT_S = 1.0
"""How long an exit code is waited for when the connection has ended."""


@dataclass(frozen=True)
class ServerProgram:
    """How a server is started."""

    server: str
    settings: McpServerSettings
    """Without placeholders."""
    environment: Mapping[str, str]
    directory: Path
    log: StderrLog
    on_message: Callable[[IncomingMessage], None]
    callbacks: InputCallbacks


class StdioConnection:
    """A running server with a connected client, until ``stop`` or its end."""

    def __init__(self, program: ServerProgram, mode: str) -> None:
        self._program = program
        self._mode = mode
        self._stopping = asyncio.Event()
        self._connected: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.create_task(self._run())
        """Done when the process has ended; it never raises."""
        self.problem: McpServerUnavailable | None = None
        """Why it has ended by itself."""
        self.problem_known = asyncio.Event()
        self.started_at = time.monotonic()
        self.is_usable = False

    async def connected(self) -> Client:
        """Return the client, as soon as it is connected.

        Raises:
            McpServerUnavailable: it can't be connected.
        """
        return await asyncio.shield(self._connected)

    async def stop(self) -> None:
        """End the connection and the process, within seconds."""
        self.is_usable = False
        self._stopping.set()
        if not self._connected.done():
            self._fail(self._unavailable("failed", "it was stopped"))
            self.ended.cancel()
        await asyncio.wait({self.ended})

    async def _run(self) -> None:
        try:
            process = await self._start_process()
            try:
                await self._serve(process)
            finally:
                self.is_usable = False
                await self._end(process)
        except McpServerUnavailable as error:
            self._fail(error)
        except Exception as error:
            _LOGGER.exception("MCP server %s failed", self._program.server)
            self._fail(self._unavailable("failed", f"{type(error).__name__}: {error}"))

    async def _end(self, process: ServerProcess) -> None:
        is_left = process.exit_code is None
        if not await process.end() or (is_left and process.exit_code == 128 + signal.SIGKILL):
            _LOGGER.warning(
                "MCP server %s (close): it did not end within %g s, and was killed",
                self._program.server,
                END_TIMEOUT_S,
            )

    async def _start_process(self) -> ServerProcess:
        program, settings = self._program, self._program.settings
        command = settings.command or ""
        found = shutil.which(command, path=program.environment.get("PATH"))
        if found is None and "/" in command:
            found = shutil.which(program.directory / command)
        if found is None:
            where = "" if "/" in command else " in PATH"
            raise self._unavailable("command_not_found", f"there is no program {command!r}{where}")
        program.log.begin()
        try:
            return await ServerProcess.start(
                [found, *settings.args],
                environment=program.environment,
                directory=program.directory,
                on_stderr=program.log.write,
            )
        except (OSError, ValueError) as error:
            raise self._unavailable("failed", f"{command!r} can't be started in {program.directory}: {error}") from None

    async def _serve(self, process: ServerProcess) -> None:
        stack = AsyncExitStack()
        timeout_s = self._program.settings.opspawn.connect_timeout
        try:
            try:
                async with asyncio.timeout(timeout_s):
                    client = await stack.enter_async_context(self._client(process))
                    if self._mode in MODERN_PROTOCOL_VERSIONS:
                        await adopt_version(client.session, self._mode)
            except Exception as error:
                self._fail(await self._connect_error(process, next(leaf_errors(error))))
                return
            self.is_usable = True
            self._connected.set_result(client)
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait((process.closed, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            self.is_usable = False
            if not self._stopping.is_set():
                self.problem = await self._crash(process)
                _LOGGER.warning("%s", self.problem)
            self.problem_known.set()
        finally:
            await self._leave(stack)

    async def _leave(self, stack: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(_CLOSE_CLIENT_TIMEOUT_S):
                await stack.aclose()
        except Exception as error:
            cause = next(leaf_errors(error))
            _LOGGER.debug("MCP server %s (close): %r", self._program.server, cause)

    def _client(self, process: ServerProcess) -> Client:
        options, callbacks = self._program.settings.opspawn, self._program.callbacks
        return Client(
            stdio_transport(process, options.max_result_bytes),
            mode=self._mode,
            client_info=CLIENT_INFO,
            elicitation_callback=callbacks.elicit,
            sampling_callback=None if options.sampling == "deny" else callbacks.sample,
            list_roots_callback=callbacks.list_roots,
            message_handler=self._receive,
            cache=None,
        )

    async def _receive(self, message: IncomingMessage) -> None:
        self._program.on_message(message)

    def _fail(self, error: McpServerUnavailable) -> None:
        self.problem = error
        if not self._connected.done():
            self._connected.set_exception(error)
            self._connected.exception()  # it is retrieved, so asyncio doesn't log it

    async def _connect_error(self, process: ServerProcess, error: BaseException) -> McpServerUnavailable:
        if process.closed.done():
            return await self._crash(process)
        if isinstance(error, TimeoutError):
            timeout_s = self._program.settings.opspawn.connect_timeout
            cause = f"no connection within {timeout_s:g} s (connect_timeout)"
            return self._unavailable("timed_out", cause + self._hints(process))
        kind, cause = _kind_and_cause(error)
        return self._unavailable(kind, cause + self._hints(process))

    async def _crash(self, process: ServerProcess) -> McpServerUnavailable:
        """Return the error of a process that has ended, or closed its output."""
        await asyncio.wait({process.ended}, timeout=_EXIT_TIMEOUT_S)
        await process.stderr_ended(_EXIT_TIMEOUT_S if process.exit_code is not None else 0)
        code = process.exit_code
        cause = "it closed its output" if code is None else f"it ended with {_described_exit(code)}"
        return self._unavailable("crashed", cause + self._hints(process))

    def _hints(self, process: ServerProcess) -> str:
        """Return what helps to find the cause: what the server wrote."""
        lines = self._program.log.last_lines()
        written = f"\nIts last lines on stderr:\n{lines}" if lines else ""
        written_out = self._program.log.redacted(process.garbage)
        garbage = f"\nOn stdout it wrote what is no MCP message: {written_out!r}" if written_out else ""
        return written + garbage

    def _unavailable(self, kind: ProblemKind, cause: str) -> McpServerUnavailable:
        phase: Phase = "request" if self._connected.done() else "connect"
        return unavailable(self._program.server, phase, kind, cause)


def _described_exit(code: int) -> str:
    if code < 0:
        return f"signal {-code}"
    return f"signal {code - 128}" if 128 < code <= 192 else f"exit code {code}"


def _kind_and_cause(error: BaseException) -> tuple[ProblemKind, str]:
    match error:
        case MCPError() if error.code == UNSUPPORTED_PROTOCOL_VERSION:
            return "wrong_protocol", f"the server speaks another version of the protocol: {error}"
        case MCPError():
            return "failed", f"the server refuses the connection: {error}"
        case ProtocolMissing() | RuntimeError():
            return "wrong_protocol", str(error)
        case ValidationError() | ValueError() | KeyError():
            return "wrong_protocol", "the server's answer does not fit the protocol"
        case _:
            return "failed", f"{type(error).__name__}: {error}"
