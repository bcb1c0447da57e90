"""The contract of ``McpServers``, tested with every implementation."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from agentkit.errors import McpServerUnavailable, ToolError, ToolNotFound
from agentkit.interfaces import McpServers, NoSecrets
from agentkit.mcp.server_builder import build_mcp_servers
from agentkit.messages import TextPart
from agentkit.specs import McpToolName
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool
from tests.mcp_stdio_settings import call_context, raw_server


@asynccontextmanager
async def scripted(_: Path) -> AsyncIterator[McpServers]:
    waiting = {"wait": ScriptedMcpTool(lambda *_: "Waited.", description="wait")}
    one = ScriptedMcpServer(
        tools=dict(waiting), resources={"memo://tea": "Memo about tea"}, prompts={"echo": "Say {text}"}
    )
    yield ScriptedMcpServers({"one": one})


@asynccontextmanager
async def over_stdio(directory: Path) -> AsyncIterator[McpServers]:
    async with build_mcp_servers(
        {"one": raw_server()},
        app_dir=directory,
        log_dir=directory,
        secrets=NoSecrets(),
        environment={"PATH": os.defpath},
    ) as servers:
        yield servers


StartServers = Callable[[Path], AbstractAsyncContextManager[McpServers]]


@pytest.fixture(params=[scripted, over_stdio], ids=["scripted", "stdio"])
async def servers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[McpServers]:
    """Servers with one named ``one``: tool ``wait``, resource ``memo://tea`` and prompt ``echo(text)``."""
    start: StartServers = request.param
    async with asyncio.timeout(60), start(tmp_path) as started:
        yield started


async def test_tools_have_names_for_models_and_of_their_server(servers: McpServers) -> None:
    specs = {spec.name: spec for spec in await servers.list_tools("one")}
    assert specs["one__wait"].mcp == McpToolName(server="one", name="wait")
    assert specs["one__wait"].description == "wait"
    assert specs["one__wait"].effect == "irreversible"
    assert servers.tool("one", "wait", effect="pure").spec.effect == "pure"
    assert servers.tool("one", "wait").spec.name == "one__wait"


async def test_tools_can_be_called_before_they_are_listed(servers: McpServers) -> None:
    assert await servers.tool("one", "wait").call({"seconds": 0}, call_context()) == "Waited."


async def test_a_tool_that_the_server_lacks_is_an_error_of_the_call(servers: McpServers) -> None:
    with pytest.raises(ToolError, match="nothing"):
        await servers.tool("one", "nothing").call({}, call_context())


async def test_unknown_servers_are_told_from_those_that_fail(servers: McpServers) -> None:
    servers = servers
    for request in (
        servers.list_tools("other"),
        servers.list_resources("other"),
        servers.read_resource("other", "memo://tea"),
        servers.list_prompts("other"),
        servers.get_prompt("other", "echo", {}),
    ):
        with pytest.raises(McpServerUnavailable, match="no MCP server 'other'") as caught:
            await request
        assert (caught.value.server, caught.value.kind) == ("other", "unknown")
    with pytest.raises(ToolNotFound, match="Servers: one"):
        servers.tool("other", "wait")


async def test_resources_and_prompts_are_content_of_messages(servers: McpServers) -> None:
    assert await servers.read_resource("one", "memo://tea") == [TextPart(text="Memo about tea")]
    assert await servers.get_prompt("one", "echo", {"text": "hi"}) == [TextPart(text="Say hi")]
    assert "echo" in {prompt.name for prompt in await servers.list_prompts("one")}


async def test_missing_resources_prompts_and_arguments_are_errors(servers: McpServers) -> None:
    for request in (
        servers.read_resource("one", "other://x"),
        servers.get_prompt("one", "other", {}),
        servers.get_prompt("one", "echo", {}),
    ):
        with pytest.raises(ToolError):
            await request
