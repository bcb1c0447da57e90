"""MCP servers of the tasks that are recorded: one that changes its tools in mid-task, and one that asks for input."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue
from temporalio.client import WorkflowHandle

from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import ClientInputRequest, InputRequired, ModelRequest, ToolContext, ToolOutput, ToolValue
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.messages import ToolCall
from agentkit.testing import ModelScript, ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool, ScriptedResponse
from workflows.task_types import PendingInput

__all__ = ["answer_forms", "booking_script", "booking_servers", "changing_script", "changing_servers", "proxy_script"]

_FORM: dict[str, JsonValue] = {"type": "object", "properties": {"seat": {"type": "string"}}, "required": ["seat"]}
_SEAT = ClientInputRequest(
    key="seat", method="elicitation/create", params={"message": "Which seat?", "requestedSchema": _FORM}
)
_RHYME = ClientInputRequest(
    key="rhyme",
    method="sampling/createMessage",
    params={"messages": [{"role": "user", "content": {"type": "text", "text": "A rhyme?"}}], "maxTokens": 50},
)


def _times(factor: int) -> ScriptedMcpTool:
    def multiply(arguments: Mapping[str, JsonValue], _: ToolContext) -> ToolValue:
        number = arguments["number"]
        assert isinstance(number, int)
        return factor * number

    parameters: dict[str, JsonValue] = {"type": "object", "properties": {"number": {"type": "integer"}}}
    return ScriptedMcpTool(multiply, "pure", "Multiply a number.", parameters)


def changing_servers() -> ScriptedMcpServers:
    """Return a server with tools that ``changing_script`` replaces, and one that can't be used."""
    crashed = McpServerUnavailable("MCP server mail: it crashed at its start.", server="mail", kind="crashed")
    tools = {"double": _times(2), "half": _times(0)}
    return ScriptedMcpServers({"math": ScriptedMcpServer(tools), "mail": ScriptedMcpServer(problem=crashed)})


def changing_script(servers: ScriptedMcpServers) -> ModelScript:
    """Return a script that calls a tool of the server before and after it was removed."""

    async def respond(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == 2:
            return "42"
        if step == 1:
            servers.change_tools("math", {"triple": _times(3)})
        return ToolCall(id=f"c{step}", name="math__double", arguments={"number": 21})

    return respond


def proxy_script(servers: ScriptedMcpServers) -> ModelScript:
    """Return a script that calls tools by ``mcp_call``: known ones, new ones, and some that can't be called."""

    async def respond(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == 0:
            return _by_proxy("a", "math", "double", 21), _by_proxy("b", "mail", "send", 1)
        if step == 1:
            servers.change_tools("math", {"triple": _times(3)})
            return _by_proxy("c", "math", "double", 21), _by_proxy("d", "math", "triple", 14)
        if step == 2:
            return _by_proxy("e", "math", "triple", "x"), _by_proxy("f", "math", "triple", 1), _by_proxy("g", "", "", 1)
        return "42"

    return respond


def _by_proxy(call_id: str, server: str, tool: str, number: JsonValue) -> ToolCall:
    arguments: dict[str, JsonValue] = {"server": server, "tool": tool, "arguments": {"number": number}}
    return ToolCall(id=call_id, name="mcp_call", arguments=arguments)


def booking_servers() -> ScriptedMcpServers:
    """Return a server whose tools ask for input: in rounds, and while they run."""

    def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        state = context.mcp.state if context.mcp else None
        if state is None:
            return ToolOutput(value="It asks.", input_required=InputRequired(requests=(_SEAT,), state="seat"))
        if state == "seat":
            return ToolOutput(value="It asks.", input_required=InputRequired(requests=(_RHYME,), state="rhyme"))
        return "Booked."

    async def change(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        given = await context.signals.ask(_SEAT)
        return f"Changed: {given.result}"

    settings = McpServerSettings.model_validate({"command": "x", "opspawn": {"sampling": "allow"}})
    tools = {"book": ScriptedMcpTool(book), "change": ScriptedMcpTool(change)}
    return ScriptedMcpServers({"travel": ScriptedMcpServer(tools, settings=settings)})


async def booking_script(request: ModelRequest) -> ScriptedResponse:
    """Call both tools of the server in two steps; respond to its own request, too."""
    step = sum(message.role == "assistant" for message in request.messages)
    if request.messages[0].text == "A rhyme?":
        return "Time, lime."
    calls = (ToolCall(id="c1", name="travel__book"), ToolCall(id="c2", name="travel__change"))
    return calls[step] if step < len(calls) else "Booked and changed."


async def answer_forms(handle: WorkflowHandle[Any, Any]) -> None:
    """Answer the two forms by signal."""
    answered: set[str] = set()
    async with asyncio.timeout(30):
        while len(answered) < 2:
            pending = await handle.query("input_requests", result_type=PendingInput)
            for request in pending.input_requests:
                if request.id not in answered:
                    answered.add(request.id)
                    answer = {"input_request_id": request.id, "decision": "answer", "answer": {"seat": "4A"}}
                    await handle.signal("answer_input", answer)
