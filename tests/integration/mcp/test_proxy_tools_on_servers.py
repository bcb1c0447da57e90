"""The tools of ``mcp_proxy`` and for resources, by the local runner, on real servers."""

from __future__ import annotations

import json
import os

from pydantic import JsonValue

from agentkit.interfaces import McpServers
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.local_runner import LocalRunner
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel
from agentkit.tools import ToolRegistry
from agentkit.tools.mcp_proxy_tools import mcp_proxy_tools
from agentkit.tools.mcp_resource_tools import mcp_resource_tools
from tests.integration.mcp.conftest import StartServers
from tests.mcp_stdio_settings import sdk_server

TIME = McpServerSettings.model_validate(
    {"command": "mcp-server-time", "opspawn": {"effects": {"*": "pure"}, "trust_annotations": False}}
)
MISSING = McpServerSettings(command=os.devnull)


async def results_of(servers: McpServers, *calls: ToolCall) -> list[ToolResult]:
    """Run a task whose model makes these calls, one in each step; return the results."""
    tools = ToolRegistry([*mcp_proxy_tools(servers), *mcp_resource_tools(servers)])
    agent = AgentSpec(name="a", models=("demo:m",), planner="tools", tools=tuple(tools.specs()))
    runner = LocalRunner({"demo": ScriptedModel([*calls, "Done."])}, tools, mcp_servers=servers)
    task = await runner.run(agent, "Go.")
    return [part for message in task.transcript for part in message.parts if isinstance(part, ToolResult)]


def call(name: str, **arguments: JsonValue) -> ToolCall:
    return ToolCall(id="", name=name, arguments=arguments)


def convert(time: str, **others: JsonValue) -> ToolCall:
    zones: dict[str, JsonValue] = {"source_timezone": "UTC", "target_timezone": "Asia/Tokyo"}
    return call("mcp_call", server="time", tool="convert_time", arguments={**zones, "time": time, **others})


async def test_a_tool_is_found_described_and_called_although_another_server_is_broken(
    start_servers: StartServers,
) -> None:
    servers = await start_servers(time=TIME, missing=MISSING)
    searched, described, called, wrong = await results_of(
        servers,
        call("mcp_search", query="convert a time between timezones", limit=1),
        call("mcp_describe", server="time", tool="convert_time"),
        convert("16:30"),
        call("mcp_call", server="time", tool="convert_time", arguments={"time": 5}),
    )
    found = json.loads(searched.content)
    assert [(tool["server"], tool["tool"]) for tool in found["tools"]] == [("time", "convert_time")]
    assert found["notes"][0].startswith("MCP server missing (connect): ")
    assert json.loads(described.content)["arguments"]["required"] == ["source_timezone", "time", "target_timezone"]
    assert (called.name, called.is_error) == ("mcp_call", False)
    assert "T01:30:00+09:00" in called.content
    assert wrong.content.startswith("The arguments of time__convert_time are wrong, so nothing was done.")


async def test_resources_are_listed_and_read_with_their_files(start_servers: StartServers) -> None:
    servers = await start_servers(sdk=sdk_server())
    listed, memo, logo, unknown = await results_of(
        servers,
        call("list_resources"),
        call("read_resource", server="sdk", uri="memo://tea"),
        call("read_resource", server="sdk", uri="file:///logo.png"),
        call("read_resource", server="sdk", uri="other://x"),
    )
    resources = json.loads(listed.content)["resources"]
    assert {"server": "sdk", "uri_template": "memo://{name}", "name": "memo", "description": "A memo."}.items() <= (
        next(each for each in resources if "uri_template" in each).items()
    )
    assert memo.content == "Memo about tea"
    assert [(file.media_type, file.size) for file in logo.files or ()] == [("image/png", 8)]
    assert unknown.is_error
    assert "resources/read" in unknown.content
