from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agentkit.errors import McpServerUnavailable, ToolArgumentsInvalid, ToolError
from agentkit.interfaces import McpServers, NoMcpServers, ToolContext
from agentkit.mcp_config.mcp_settings import McpOptions, McpServerSettings
from agentkit.runtime.calls.tool_results import MAX_RESULT_CHARS
from agentkit.specs import ToolSpec
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool
from agentkit.tools.mcp_proxy_tools import mcp_proxy_tools

CONTEXT = ToolContext(task_id="t1", call_id="c1", idempotency_key="t1/c1", step=1)


def scripted(description: str, **options: Any) -> ScriptedMcpTool:
    return ScriptedMcpTool(lambda *_: None, description=description, **options)


def two_servers() -> ScriptedMcpServers:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    github = {
        "create_issue": scripted("Opens an issue.", parameters=schema),
        "list_issues": scripted("Lists issues.", effect="pure"),
    }
    return ScriptedMcpServers(
        {"github": ScriptedMcpServer(github), "time": ScriptedMcpServer({"convert": scripted("Converts a time.")})}
    )


async def called(servers: McpServers | None, name: str, /, **arguments: Any) -> dict[str, Any]:
    """Call one of the three tools, and return its result."""
    tool = next(tool for tool in mcp_proxy_tools(servers) if tool.spec.name == name)
    result = await tool.call(arguments, CONTEXT)
    assert isinstance(result, dict)
    return result


def test_the_three_tools_are_pure_and_the_same_in_every_process() -> None:
    specs = [tool.spec for tool in mcp_proxy_tools(two_servers())]
    assert [(spec.name, spec.effect) for spec in specs] == [
        ("mcp_search", "pure"),
        ("mcp_describe", "pure"),
        ("mcp_call", "pure"),
    ]
    assert specs == [tool.spec for tool in mcp_proxy_tools()]


async def test_a_search_returns_server_tool_description_and_effect() -> None:
    result = await called(two_servers(), "mcp_search", query="list the issues", limit=1)
    assert result["tools"] == [
        {"server": "github", "tool": "list_issues", "description": "Lists issues.", "effect": "pure"}
    ]
    assert result["tools_by_server"] == {"github": 2, "time": 1}
    assert result["notes"] == ["1 more tools match less well."]


async def test_a_search_may_be_of_one_server_and_without_words_lists_its_tools() -> None:
    servers = two_servers()
    result = await called(servers, "mcp_search", query="", server="github")
    assert [tool["tool"] for tool in result["tools"]] == ["create_issue", "list_issues"]
    assert servers.servers["time"].list_count == 0


async def test_a_search_that_finds_nothing_says_what_to_do() -> None:
    result = await called(two_servers(), "mcp_search", query="weather")
    assert result["tools"] == []
    assert result["notes"] == ["No tool has any of these words. Try others, or an empty query to list tools."]


class HangingServers(ScriptedMcpServers):
    """Two servers, each of which answers only while the other is asked, and a third that never does."""

    def __init__(self) -> None:
        servers = dict(two_servers().servers)
        quick = McpServerSettings(command="x", opspawn=McpOptions(connect_timeout=0.05, timeout=0.05))
        servers["hung"] = ScriptedMcpServer(settings=quick)
        super().__init__(servers)
        self.barrier = asyncio.Barrier(2)

    async def list_tools(self, server: str) -> Any:
        if server == "hung":
            await asyncio.Event().wait()
        async with asyncio.timeout(5):
            await self.barrier.wait()
        return await super().list_tools(server)


async def test_servers_are_listed_in_parallel_and_one_that_fails_or_hangs_is_a_note() -> None:
    servers = HangingServers()
    servers.servers["github"].problem = McpServerUnavailable("MCP server github: not authorized." * 100)
    result = await called(servers, "mcp_search", query="")
    assert [tool["tool"] for tool in result["tools"]] == ["convert"]
    failed, hung = result["notes"]
    assert failed.startswith("MCP server github: not authorized.")
    assert len(failed) == 1_000
    assert hung == "MCP server hung: its tools were not received within 0.1 s."


async def test_the_result_of_a_search_is_bounded_however_many_tools_there_are() -> None:
    tools = {f"tool_{number}": scripted("long words " * 5_000) for number in range(300)}
    servers = ScriptedMcpServers({"big": ScriptedMcpServer(tools)})
    result = await called(servers, "mcp_search", query="long tool", limit=50)
    assert len(result["tools"]) == 50
    assert len(json.dumps(result)) < MAX_RESULT_CHARS
    with pytest.raises(ToolArgumentsInvalid, match="limit"):
        await called(servers, "mcp_search", query="x", limit=51)


async def test_a_description_has_the_schema_of_the_arguments() -> None:
    result = await called(two_servers(), "mcp_describe", server="github", tool="create_issue")
    assert result == {
        "server": "github",
        "tool": "create_issue",
        "description": "Opens an issue.",
        "effect": "irreversible",
        "arguments": {"type": "object", "properties": {"title": {"type": "string"}}},
    }


@pytest.mark.parametrize(
    ("server", "name", "message"),
    [
        ("gitlab", "x", r"no MCP server 'gitlab' in mcp\.json\. Did you mean 'github'\? Servers: github, time\."),
        ("github", "create_isue", r"no tool 'create_isue'\. Did you mean 'create_issue'\? It has: create_issue, list_"),
    ],
)
async def test_for_what_there_is_not_the_error_says_what_there_is(server: str, name: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        await called(two_servers(), "mcp_describe", server=server, tool=name)


@pytest.mark.parametrize(
    ("servers", "message"),
    [(None, "no MCP servers in this process"), (NoMcpServers(), "No MCP server is configured here")],
)
async def test_without_servers_calls_fail_in_words(servers: McpServers | None, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        await called(servers, "mcp_search", query="x")


async def test_a_call_of_mcp_call_that_reaches_the_tool_says_that_nothing_was_called() -> None:
    with pytest.raises(ToolError, match="Nothing was called"):
        await called(two_servers(), "mcp_call", server="github", tool="list_issues", arguments={})


async def test_values_that_are_no_mcp_tools_are_left_out() -> None:
    class Odd(ScriptedMcpServers):
        async def list_tools(self, server: str) -> Any:
            return [ToolSpec(name="x", description="", parameters={}), *await super().list_tools(server)]

    result = await called(Odd(two_servers().servers), "mcp_search", query="", server="time")
    assert [tool["tool"] for tool in result["tools"]] == ["convert"]
