from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import McpToolCall, OutputCheck
from agentkit.mcp_config.mcp_settings import McpOptions, McpServerSettings
from agentkit.runtime.mcp_descriptions import describe_mcp_tools
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import McpToolName
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool

SCHEMA: Mapping[str, JsonValue] = {"type": "object", "properties": {"a": {"type": "integer"}}}
CHECKER = InlineOutputChecker()


def wanted(server: str, name: str, **arguments: JsonValue) -> McpToolCall:
    return McpToolCall(tool=McpToolName(server=server, name=name), arguments=arguments)


def scripted(**options: object) -> ScriptedMcpServer:
    return ScriptedMcpServer({"add": ScriptedMcpTool(lambda *_: None, parameters=SCHEMA)}, **options)  # type: ignore[arg-type]


async def test_each_tool_is_described_once_and_each_call_is_checked() -> None:
    servers = ScriptedMcpServers({"math": scripted()})
    calls = [wanted("math", "add", a=1), wanted("math", "add", a="x"), wanted("math", "ad")]
    description = await describe_mcp_tools(servers, CHECKER, calls, [])
    assert [tool.name for tool in description.tools] == ["math__add"]
    assert sorted(description.refusals) == [1, 2]
    assert "The arguments of math__add are wrong" in description.refusals[1]
    assert "Did you mean 'add'?" in description.refusals[2]
    assert servers.servers["math"].list_count == 1


async def test_a_server_that_fails_refuses_its_own_calls_only() -> None:
    broken = ScriptedMcpServer(problem=McpServerUnavailable("MCP server mail: it crashed."))
    servers = ScriptedMcpServers({"math": scripted(), "mail": broken})
    description = await describe_mcp_tools(servers, CHECKER, [wanted("mail", "send"), wanted("math", "add")], [])
    assert description.refusals == {0: "Nothing was called. MCP server mail: it crashed."}
    assert len(description.tools) == 1


async def test_names_that_are_taken_are_not_given_again() -> None:
    servers = ScriptedMcpServers({"math": scripted(), "math_": scripted()})
    (tool,) = (await describe_mcp_tools(servers, CHECKER, [wanted("math", "add")], ["math__add"])).tools
    assert tool.name.startswith("math__add_")
    assert tool.mcp == McpToolName(server="math", name="add")


async def test_the_servers_rule_for_sampling_is_recorded() -> None:
    settings = McpServerSettings(command="x", opspawn=McpOptions(sampling="ask"))
    servers = ScriptedMcpServers({"math": scripted(settings=settings)})
    (tool,) = (await describe_mcp_tools(servers, CHECKER, [wanted("math", "add")], [])).tools
    assert tool.sampling == "ask"


async def test_arguments_that_cannot_be_checked_are_left_to_the_server() -> None:
    class FailingChecker(InlineOutputChecker):
        async def check_arguments(
            self, arguments: Mapping[str, JsonValue], schema: Mapping[str, JsonValue]
        ) -> OutputCheck:
            return OutputCheck(failure="the schema is odd")

    servers = ScriptedMcpServers({"math": scripted()})
    description = await describe_mcp_tools(servers, FailingChecker(), [wanted("math", "add", a="x")], [])
    assert description.refusals == {}
