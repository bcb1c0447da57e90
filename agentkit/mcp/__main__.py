"""Talk to MCP servers for one command of the command line: ``python -m agentkit.mcp``, lines of JSON both ways."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from agentkit.errors import ConfigurationInvalid, McpServerUnavailable, SecretMissing, ToolError
from agentkit.interfaces import McpServers, NoSecrets
from agentkit.mcp.process_commands import CommandLine, call_tool, check_servers, list_tools
from agentkit.mcp.server_builder import build_mcp_servers, login_at_server
from agentkit.mcp_process import (
    McpCallCommand,
    McpCheckCommand,
    McpCommandFailed,
    McpLoginCommand,
    McpLoginDone,
    McpLoginStarted,
    McpProcessMessage,
    McpProcessRequest,
    McpToolsCommand,
)

_MAX_LINE_BYTES = 100_000_000


class _GivenSecrets(NoSecrets):
    """The secrets that the command line has sent."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def values(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return the values of these secrets.

        Raises:
            SecretMissing: one is not among them.
        """
        if missing := [name for name in names if name not in self._values]:
            raise SecretMissing(f"There is no secret {missing[0]!r}, or it can't be read.")
        return {name: self._values[name] for name in names}


def main() -> int:
    """Carry out the command on standard input; return the exit code: 0, or 1 where it was interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve())
        return 0
    return 1


async def _serve() -> None:
    """Carry out the command; it is cancelled when the command line closes standard input, or sends SIGINT."""
    reader = asyncio.StreamReader(limit=_MAX_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    request = McpProcessRequest.model_validate_json(await reader.readline())
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    working = asyncio.create_task(_carry_out(request, CommandLine(_send, lines.get)))
    listening = asyncio.create_task(_receive(reader, lines))
    try:
        await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, listening):
            task.cancel()
        await asyncio.wait({working, listening})
    if not working.cancelled():
        working.result()


async def _receive(reader: asyncio.StreamReader, lines: asyncio.Queue[bytes]) -> None:
    """Put the lines of standard input into the queue, until it is closed."""
    while line := await reader.readline():
        lines.put_nowait(line)


def _send(message: McpProcessMessage) -> None:
    sys.stdout.write(message.model_dump_json() + "\n")
    sys.stdout.flush()


async def _carry_out(request: McpProcessRequest, line: CommandLine) -> None:
    try:
        if isinstance(request.command, McpLoginCommand):
            await _log_in(request, request.command.server, line)
            return
        async with build_mcp_servers(
            request.servers,
            app_dir=Path(request.app_dir),
            log_dir=_log_dir(request),
            secrets=_GivenSecrets(request.secrets),
            environment=os.environ,
        ) as servers:
            await _run(request, servers, line)
    except McpServerUnavailable as error:
        line.send(McpCommandFailed(kind=error.kind, message=str(error)))
    except ToolError as error:
        line.send(McpCommandFailed(kind="tool", message=str(error)))
    except ConfigurationInvalid as error:
        line.send(McpCommandFailed(kind="failed", message=str(error)))


async def _log_in(request: McpProcessRequest, server: str, line: CommandLine) -> None:
    async def show(url: str) -> None:
        line.send(McpLoginStarted(url=url))

    await login_at_server(
        server,
        request.servers[server],
        app_dir=Path(request.app_dir),
        log_dir=_log_dir(request),
        secrets=_GivenSecrets(request.secrets),
        environment=os.environ,
        open_url=show,
    )
    line.send(McpLoginDone())


def _log_dir(request: McpProcessRequest) -> Path:
    """Return the directory that the workers use, too: logins are there."""
    return Path(request.data_dir) / "mcp"


async def _run(request: McpProcessRequest, servers: McpServers, line: CommandLine) -> None:
    match request.command:
        case McpCheckCommand():
            await check_servers(servers, line)
        case McpToolsCommand(server=server):
            await list_tools(servers, server, line)
        case McpCallCommand() as command:
            await call_tool(servers, command, line)


if __name__ == "__main__":
    sys.exit(main())
