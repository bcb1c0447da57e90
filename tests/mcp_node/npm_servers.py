"""The official MCP servers in TypeScript, connected to as a worker does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from pydantic import JsonValue

from agentkit.interfaces import (
    CallSignals,
    ClientInput,
    ClientInputRequest,
    McpServers,
    NoSecrets,
    ToolContext,
    ToolProgress,
    ToolValue,
)
from agentkit.mcp.server_builder import build_mcp_servers
from agentkit.mcp_config.mcp_settings import McpServerSettings
from tests.mcp_node.node_packages import NODE, installed_packages
from tests.polling import eventually
from tests.reserved_ports import reserve_port

__all__ = ["NpmServer", "connected", "everything_over_http", "script", "until_listening"]

START_TIMEOUT_S = 30
_INPUTS: Mapping[str, Mapping[str, JsonValue]] = {
    "elicitation/create": {"action": "accept", "content": {"name": "Ada"}},
    "sampling/createMessage": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}},
    "roots/list": {"roots": []},
}


@dataclass
class NpmServer:
    """One server among those of a worker."""

    servers: McpServers
    name: str
    asked: list[ClientInputRequest] = field(default_factory=list)
    reports: list[ToolProgress] = field(default_factory=list)

    async def call(self, tool: str, **arguments: JsonValue) -> ToolValue:
        """Call a tool; what the server asks meanwhile is answered."""
        context = ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1)
        signals = CallSignals(report=self.reports.append, ask=self._answer)
        return await self.servers.tool(self.name, tool).call(arguments, context.with_signals(signals))

    async def _answer(self, request: ClientInputRequest) -> ClientInput:
        self.asked.append(request)
        return ClientInput(result=dict(_INPUTS[request.method]))


def script(server: str) -> str:
    """Return the path of a server's program."""
    return str(installed_packages() / "@modelcontextprotocol" / f"server-{server}" / "dist" / "index.js")


@asynccontextmanager
async def connected(server: str, entry: Mapping[str, object], directory: Path) -> AsyncIterator[NpmServer]:
    """Connect to a server that has this entry in ``mcp.json``."""
    settings = McpServerSettings.model_validate({**entry, "opspawn": {"sampling": "allow"}})
    environment = dict(os.environ)  # noqa: TID251  # node needs PATH
    async with build_mcp_servers(
        {server: settings}, app_dir=directory, log_dir=directory / "logs", secrets=NoSecrets(), environment=environment
    ) as servers:
        yield NpmServer(servers, server)


@contextmanager
def everything_over_http(transport: str, log: Path) -> Iterator[str]:
    """Run ``server-everything`` with the transport ``streamableHttp`` or ``sse``; yield its origin."""
    port = reserve_port()
    environment = {**os.environ, "PORT": str(port)}  # noqa: TID251
    with log.open("wb") as output:
        process = subprocess.Popen(
            [NODE, script("everything"), transport], stdout=output, stderr=output, env=environment
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(START_TIMEOUT_S)


async def until_listening(origin: str) -> None:
    """Wait until a server takes connections."""

    def listens() -> bool:
        try:
            httpx2.get(origin, timeout=5)
        except httpx2.ConnectError:
            return False
        return True

    await eventually(listens, START_TIMEOUT_S)
