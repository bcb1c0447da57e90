"""A project's tool, called in a tool host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import JsonValue

from agentkit.errors import ToolNotStarted
from agentkit.interfaces import ProbeOutcome, Tool, ToolContext, ToolValue
from agentkit.interfaces.probe import read_probe_record
from agentkit.specs import ToolSpec
from agentkit.tools.host.host_messages import read_error, read_value
from agentkit.tools.host.host_pool import HostPool
from agentkit.tools.host.tool_host import ToolHost

__all__ = ["HostedTool"]


class HostedTool:
    """A tool whose function runs in a process of its own."""

    def __init__(self, spec: ToolSpec, pool: HostPool) -> None:
        self._spec = spec
        self._pool = pool

    @property
    def spec(self) -> ToolSpec:
        """The name, description, schema and effect."""
        return self._spec

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[Tool]:
        """Wait for a host; in it the call starts at once.

        Raises:
            ToolNotStarted: no host became free, or none has the tool now.
        """
        async with self._lend() as host:
            yield _LentTool(self._spec, host)

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        """Call the function in a host, and return its result as plain JSON, and its files.

        Raises:
            ToolArgumentsInvalid: raised before the function is called.
            ToolNotStarted: no host became free.
            ToolUnavailable: the function raised it or lost a connection.
            ToolInterrupted: the process ended before the function did.
            ToolError: the function raised any other error.
        """
        async with self.prepared() as tool:
            return await tool.call(arguments, context)

    async def probe(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> ProbeOutcome:
        """Call the tool's probe in a host, and return its outcome.

        Raises:
            ToolUnavailable: no host became free, or the probe lost a connection; another attempt may succeed.
            ToolError: the probe failed for good.
        """
        async with self._lend() as host:
            response = await host.call(self._spec.name, arguments, context, is_probe=True)
        if response["kind"] == "error":
            raise read_error(response["error"])
        return read_probe_record(response["value"])

    @asynccontextmanager
    async def _lend(self) -> AsyncIterator[ToolHost]:
        name = self._spec.name
        async with self._pool.lend(name) as host:
            ready = host.ready.result()
            if name not in ready["tools"]:
                reason = "; ".join(ready["import_errors"].values()) or "its file has changed"
                raise ToolNotStarted(f"{name} was not called: {reason}")
            yield host


@dataclass(frozen=True)
class _LentTool:
    """A tool with the host for one call."""

    spec: ToolSpec
    host: ToolHost

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        response = await self.host.call(self.spec.name, arguments, context)
        if response["kind"] == "error":
            raise read_error(response["error"])
        return read_value(response)
