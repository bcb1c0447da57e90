"""Carry out one command of the command line on MCP servers: check them, list tools, call a tool."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Awaitable, Callable

from pydantic import JsonValue

from agentkit.errors import McpServerUnavailable, ToolError
from agentkit.interfaces import (
    CallSignals,
    ClientInput,
    ClientInputRequest,
    McpCall,
    McpServerProblem,
    McpServers,
    ToolContext,
    ToolOutput,
    ToolProgress,
    ToolValue,
)
from agentkit.mcp_process import (
    ClientInputAsked,
    McpCallCommand,
    McpCommandFailed,
    McpProcessMessage,
    McpProgressed,
    McpResult,
    McpResultFile,
    McpServerChecked,
    McpToolFound,
    McpToolsFound,
)
from agentkit.specs import ToolSpec
from agentkit.validation.validation_messages import did_you_mean

__all__ = ["CommandLine", "call_tool", "check_servers", "list_tools"]

_MAX_ROUNDS = 20
"""How often one call may require input and be resumed."""


class CommandLine:
    """The process that gave the command: it reads messages and answers some of them."""

    def __init__(self, send: Callable[[McpProcessMessage], None], read_line: Callable[[], Awaitable[bytes]]) -> None:
        self.send = send
        self._read_line = read_line
        self._asking = asyncio.Lock()

    async def confirmed(self, tool: ToolSpec) -> None:
        """Send which tool is to be called, and wait for a line."""
        self.send(McpToolFound(tool=tool))
        await self._read_line()

    async def ask(self, request: ClientInputRequest) -> ClientInput:
        """Return a person's input; what needs a model or a directory is declined."""
        match request.method:
            case "elicitation/create":
                async with self._asking:
                    self.send(ClientInputAsked(request=request))
                    return ClientInput.model_validate_json(await self._read_line())
            case "roots/list":
                return ClientInput(result={"roots": []})
            case "sampling/createMessage":
                return ClientInput(error="`opspawn mcp call` has no model. Give the tool to an agent.")


async def check_servers(servers: McpServers, line: CommandLine) -> None:
    """Connect to each server, all at once, and send what is found as soon as it is."""
    await asyncio.gather(*(_check(servers, name, line) for name in servers.settings))


async def _check(servers: McpServers, name: str, line: CommandLine) -> None:
    try:
        line.send(McpServerChecked(name=name, tools=len(await servers.list_tools(name))))
    except McpServerUnavailable as error:
        problem = McpServerProblem.model_validate({"server": name, "kind": error.kind, "message": str(error)})
        line.send(McpServerChecked(name=name, problem=problem))


async def list_tools(servers: McpServers, server: str, line: CommandLine) -> None:
    """Send the tools of a server."""
    line.send(McpToolsFound(tools=tuple(await servers.list_tools(server))))


async def call_tool(servers: McpServers, command: McpCallCommand, line: CommandLine) -> None:
    """Call a tool when the command line has confirmed it, and send its progress and result.

    Raises:
        McpServerUnavailable: the server can't be used.
        ToolError: the tool failed.
    """
    tools = {tool.mcp.name: tool for tool in await servers.list_tools(command.server) if tool.mcp is not None}
    if command.tool not in tools:
        known = f"It has: {', '.join(tools) or 'none'}."
        text = f"MCP server {command.server!r} has no tool {command.tool!r}.{did_you_mean(command.tool, tools)} {known}"
        line.send(McpCommandFailed(kind="not_found", message=text))
        return
    spec = tools[command.tool]
    await line.confirmed(spec)
    tool = servers.tool(command.server, command.tool, effect=spec.effect)
    call = McpCall(effect=spec.effect)
    for number in range(_MAX_ROUNDS):
        value = await tool.call(command.arguments, _context(number, call, line))
        if not isinstance(value, ToolOutput) or value.input_required is None:
            line.send(_result(value))
            return
        inputs: dict[str, dict[str, JsonValue]] = {}
        for request in value.input_required.requests:
            answer = await line.ask(request)
            if answer.result is None:
                raise ToolError(f"The server asks for {request.method}, which has no result here: {answer.error}")
            inputs[request.key] = answer.result
        call = McpCall(effect=spec.effect, inputs=inputs, state=value.input_required.state)
    raise ToolError(f"The server asked for input {_MAX_ROUNDS} times without a result.")


def _context(number: int, call: McpCall, line: CommandLine) -> ToolContext:
    def report(progress: ToolProgress) -> None:
        line.send(McpProgressed(text=progress.text, fraction=progress.fraction))

    call_id = f"call.{number + 1}"
    task_id = f"opspawn-mcp-call-{uuid.uuid4().hex}"
    context = ToolContext(task_id=task_id, call_id=call_id, idempotency_key=f"{task_id}/{call_id}", step=1, mcp=call)
    return context.with_signals(CallSignals(report=report, ask=line.ask))


def _result(value: ToolValue) -> McpResult:
    if not isinstance(value, ToolOutput):
        return McpResult(value=value)
    files = (
        McpResultFile(
            media_type=file.media_type,
            size=file.size,
            name=file.name,
            data=base64.b64encode(file.data or b"").decode(),
        )
        for file in value.files or ()
    )
    return McpResult(value=value.value, files=tuple(files))
