"""Start the process that talks to MCP servers for a command: the command line imports no MCP SDK."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from activities.settings import Settings, inherited_environment
from agentkit.errors import SecretMissing
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.mcp_process import McpCommand, McpProcessMessage, McpProcessRequest, parse_message
from agentkit.records import Record
from agentkit.secrets import SecretStore
from cli.errors import CommandFailed

__all__ = ["McpProcess", "running_mcp_process"]

_MAX_LINE_BYTES = 300_000_000
"""A result of the greatest size that settings allow, in base64."""
_STOP_TIMEOUT_S = 8.0
"""How long the process may take to cancel its call and to end its servers."""
_PLACEHOLDER = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_-]*)")


class McpProcess:
    """The process, as the command uses it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._errors = asyncio.create_task(_last_line(process.stderr))

    async def messages(self) -> AsyncIterator[McpProcessMessage]:
        """Yield what it sends, until it has ended.

        Raises:
            CommandFailed: it has failed without a message; the text is the last line of its log.
        """
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            yield parse_message(line)
        if await self._process.wait():
            raise CommandFailed(await self._errors or "The process for MCP servers has ended without a message.")

    async def send(self, record: Record) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # it has ended: ``messages`` says why
            self._process.stdin.write(record.model_dump_json().encode() + b"\n")
            await self._process.stdin.drain()

    async def stop(self) -> None:
        """End it, with its servers: it has a few seconds to cancel what it does."""
        if self._process.returncode is None:
            _signal(self._process, signal.SIGINT)
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT_S)
            except (TimeoutError, asyncio.CancelledError):
                _signal(self._process, signal.SIGKILL)
                await self._process.wait()
        self._errors.cancel()


@asynccontextmanager
async def running_mcp_process(
    settings: Settings, servers: Mapping[str, McpServerSettings], command: McpCommand
) -> AsyncIterator[McpProcess]:
    """Start the process for one command, and end it afterwards.

    It is in a session of its own, so that Ctrl-C reaches this process alone, which then has the call cancelled.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "agentkit.mcp"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=inherited_environment(),
        limit=_MAX_LINE_BYTES,
        start_new_session=True,
    )
    running = McpProcess(process)
    try:
        await running.send(
            McpProcessRequest(
                command=command,
                servers=dict(servers),
                app_dir=str(settings.app_dir.absolute()),
                data_dir=str(settings.data_dir.absolute()),
                secrets=_secrets(settings, servers),
            )
        )
        yield running
    finally:
        await running.stop()


def _secrets(settings: Settings, servers: Mapping[str, McpServerSettings]) -> dict[str, str]:
    """Return the values of the secrets that the servers' settings name; one that is missing is left out."""
    store = SecretStore(settings.secrets, settings.app_dir, inherited_environment())
    named = {name for server in servers.values() for name in _PLACEHOLDER.findall(server.model_dump_json())}
    values: dict[str, str] = {}
    for name in sorted(named & set(settings.secrets)):
        with suppress(SecretMissing):  # the process says which is missing, and for which server
            values |= store.values([name])
    return values


async def _last_line(stream: asyncio.StreamReader | None) -> str:
    last = b""
    if stream is not None:
        while chunk := await stream.read(65_536):
            last = (last + chunk)[-4_096:]
    lines = last.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("ERROR ") if lines else ""


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
