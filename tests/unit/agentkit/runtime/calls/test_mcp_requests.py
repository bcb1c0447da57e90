from __future__ import annotations

import asyncio

import pytest

from agentkit.errors import McpServerUnavailable
from agentkit.mcp_config.mcp_settings import McpOptions, McpServerSettings
from agentkit.runtime.calls.mcp_requests import no_such_tool_text, request_server, server_tools
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool

QUICK = McpServerSettings(command="x", opspawn=McpOptions(connect_timeout=0.02, timeout=0.03))
SERVERS = ScriptedMcpServers({"s": ScriptedMcpServer(), "quick": ScriptedMcpServer(settings=QUICK)})


async def hang(_: str) -> str:
    await asyncio.Event().wait()
    return ""


async def test_a_server_has_the_time_of_its_settings() -> None:
    with pytest.raises(McpServerUnavailable, match=r"quick: its tools were not received within 0\.05 s") as raised:
        await request_server(SERVERS, "quick", "tools", hang)
    assert (raised.value.server, raised.value.kind) == ("quick", "timed_out")


async def test_a_caller_may_give_it_less() -> None:
    with pytest.raises(McpServerUnavailable, match=r"s: its tools were not received within 0\.01 s"):
        await request_server(SERVERS, "s", "tools", hang, 0.01)


async def test_a_time_out_of_the_server_itself_is_one_of_it() -> None:
    async def fail(_: str) -> str:
        raise TimeoutError("the connection is slow")

    with pytest.raises(McpServerUnavailable, match="not received: the connection is slow"):
        await request_server(SERVERS, "s", "resources", fail)


async def test_an_error_that_nobody_has_foreseen_is_one_of_its_server(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: str) -> str:
        raise KeyError("no such field")

    with pytest.raises(McpServerUnavailable, match=r"s: its tools could not be read: .*no such field") as raised:
        await request_server(SERVERS, "s", "tools", fail)
    assert (raised.value.server, raised.value.kind) == ("s", "failed")
    assert "MCP server s: its tools could not be read" in caplog.text


async def test_an_unknown_server_is_named_with_the_known_ones() -> None:
    with pytest.raises(McpServerUnavailable, match=r"no MCP server 'x' in mcp\.json\. Servers: quick, s\.") as raised:
        await server_tools(SERVERS, "x")
    assert raised.value.kind == "unknown"


async def test_which_tools_there_are_is_said_within_bounds() -> None:
    tools = {f"tool_{number}_{'x' * 900}": ScriptedMcpTool(lambda *_: None) for number in range(300)}
    servers = ScriptedMcpServers({"s": ScriptedMcpServer(tools)})
    text = no_such_tool_text("s", "y" * 100_000, await server_tools(servers, "s"))
    assert len(text) < 5_000
    assert text.endswith(" and 280 more.")
