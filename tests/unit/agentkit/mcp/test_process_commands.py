from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from pydantic import JsonValue

from agentkit.errors import McpServerUnavailable, ToolError
from agentkit.interfaces import ClientInput, ClientInputRequest, InputRequired, ToolContext, ToolOutput
from agentkit.mcp.process_commands import CommandLine, call_tool, check_servers
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
)
from agentkit.messages import StoredContent
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool

NAME = ClientInputRequest(key="name", method="elicitation/create", params={"message": "Your name?"})
ADA: dict[str, JsonValue] = {"action": "accept", "content": {"name": "Ada"}}


@dataclass
class Answering:
    """A command line that sends prepared lines."""

    lines: list[bytes]
    messages: list[McpProcessMessage] = field(default_factory=list)

    async def read_line(self) -> bytes:
        await asyncio.sleep(0)
        return self.lines.pop(0)

    async def call(self, tool: ScriptedMcpTool, name: str = "greet") -> list[McpProcessMessage]:
        servers = ScriptedMcpServers({"s": ScriptedMcpServer({"greet": tool})})
        command = McpCallCommand(server="s", tool=name, arguments={"a": 1})
        await call_tool(servers, command, CommandLine(self.messages.append, self.read_line))
        return self.messages


async def test_a_tool_is_called_when_the_command_line_has_confirmed_it() -> None:
    def greet(arguments: Mapping[str, JsonValue], context: ToolContext) -> str:
        context.progress("half", 0.5)
        return f"{arguments['a']}, {context.mcp and context.mcp.effect}"

    found, progress, result = await Answering([b"\n"]).call(ScriptedMcpTool(greet, effect="pure"))
    assert isinstance(found, McpToolFound)
    assert progress == McpProgressed(text="half", fraction=0.5)
    assert result == McpResult(value="1, pure")


async def test_a_tool_that_does_not_exist_is_not_asked_about() -> None:
    (failed,) = await Answering([]).call(ScriptedMcpTool(lambda arguments, context: ""), "great")
    assert isinstance(failed, McpCommandFailed)
    assert (failed.kind, "Did you mean 'greet'?" in failed.message) == ("not_found", True)


async def test_a_call_that_requires_input_is_resumed_with_it_and_the_servers_state() -> None:
    def greet(arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolOutput | str:
        assert context.mcp is not None
        if context.mcp.inputs is None:
            return ToolOutput(input_required=InputRequired(requests=(NAME,), state="s1"))
        return f"{context.mcp.state}: {context.mcp.inputs['name']['content']}"

    answer = ClientInput(result=ADA).model_dump_json().encode()
    _, asked, result = await Answering([b"\n", answer]).call(ScriptedMcpTool(greet))
    assert asked == ClientInputAsked(request=NAME)
    assert result == McpResult(value="s1: {'name': 'Ada'}")


async def test_a_call_that_waits_for_input_gets_it() -> None:
    async def greet(arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        return (await context.signals.ask(NAME)).result

    answer = ClientInput(result=ADA).model_dump_json().encode()
    messages = await Answering([b"\n", answer]).call(ScriptedMcpTool(greet))
    assert messages[-1] == McpResult(value=ADA)


async def test_what_needs_a_model_is_refused_with_a_reason() -> None:
    async def summarise(arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        request = ClientInputRequest(key="k", method="sampling/createMessage")
        return (await context.signals.ask(request)).error

    messages = await Answering([b"\n"]).call(ScriptedMcpTool(summarise))
    assert messages[-1] == McpResult(value="`opspawn mcp call` has no model. Give the tool to an agent.")


async def test_a_call_that_requires_input_without_end_fails() -> None:
    required = ToolOutput(input_required=InputRequired(state="again"))
    with pytest.raises(ToolError, match="20 times"):
        await Answering([b"\n"]).call(ScriptedMcpTool(lambda arguments, context: required))


async def test_files_of_a_result_come_in_base64() -> None:
    image = StoredContent(media_type="image/png", size=3, data=b"YWJj")
    output = ToolOutput(value="an image", files=(image,))
    messages = await Answering([b"\n"]).call(ScriptedMcpTool(lambda arguments, context: output))
    file = McpResultFile(media_type="image/png", size=3, data="YWJj")
    assert messages[-1] == McpResult(value="an image", files=(file,))


async def test_each_server_is_checked_whatever_the_others_do() -> None:
    problem = McpServerUnavailable("It crashed.", server="down", kind="crashed")
    servers = ScriptedMcpServers({"down": ScriptedMcpServer(problem=problem), "up": ScriptedMcpServer()})
    line = Answering([])
    await check_servers(servers, CommandLine(line.messages.append, line.read_line))
    checked = {message.name: message for message in line.messages if isinstance(message, McpServerChecked)}
    assert (checked["up"].tools, checked["up"].problem) == (0, None)
    assert checked["down"].problem is not None
    assert (checked["down"].problem.kind, checked["down"].problem.message) == ("crashed", "It crashed.")
