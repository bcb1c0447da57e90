"""The contract of ``McpServers``, tested with every implementation."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentkit.errors import McpServerUnavailable, ToolError, ToolNotFound
from agentkit.interfaces import McpServers, NoSecrets
from agentkit.mcp import build_mcp_servers
from agentkit.messages import TextPart
from agentkit.specs import McpToolName
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool
from tests.mcp_stdio_settings import call_context, raw_server


@dataclass(frozen=True)
class Started:
    """Servers with one named ``one``: tool ``wait``, resource ``memo://tea`` and prompt ``echo(text)``."""

    servers: McpServers
    change_tools: Callable[[], Awaitable[object]]


@asynccontextmanager
async def scripted(_: Path) -> AsyncIterator[Started]:
    waiting = {"wait": ScriptedMcpTool(lambda *_: "Waited.", description="wait")}
    one = ScriptedMcpServer(
        tools=dict(waiting), resources={"memo://tea": "Memo about tea"}, prompts={"echo": "Say {text}"}
    )
    servers = ScriptedMcpServers({"one": one})
    yield Started(servers, lambda: servers.change_tools("one", waiting))


@asynccontextmanager
async def over_stdio(directory: Path) -> AsyncIterator[Started]:
    async with build_mcp_servers(
        {"one": raw_server()},
        app_dir=directory,
        log_dir=directory,
        secrets=NoSecrets(),
        environment={"PATH": os.defpath},
    ) as servers:
        yield Started(servers, lambda: servers.tool("one", "change_tools").call({}, call_context()))


StartServers = Callable[[Path], AbstractAsyncContextManager[Started]]


@pytest.fixture(params=[scripted, over_stdio], ids=["scripted", "stdio"])
async def started(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Started]:
    start: StartServers = request.param
    async with asyncio.timeout(60), start(tmp_path) as servers:
        yield servers


async def test_tools_have_names_for_models_and_of_their_server(started: Started) -> None:
    specs = {spec.name: spec for spec in await started.servers.list_tools("one")}
    assert specs["one__wait"].mcp == McpToolName(server="one", name="wait")
    assert specs["one__wait"].description == "wait"
    assert specs["one__wait"].effect == "irreversible"
    assert started.servers.tool("one", "wait", effect="pure").spec.effect == "pure"
    assert started.servers.tool("one", "wait").spec.name == "one__wait"


async def test_tools_can_be_called_before_they_are_listed(started: Started) -> None:
    assert await started.servers.tool("one", "wait").call({"seconds": 0}, call_context()) == "Waited."


async def test_a_tool_that_the_server_lacks_is_an_error_of_the_call(started: Started) -> None:
    with pytest.raises(ToolError, match="nothing"):
        await started.servers.tool("one", "nothing").call({}, call_context())


async def test_unknown_servers_are_told_from_those_that_fail(started: Started) -> None:
    servers = started.servers
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


async def test_resources_and_prompts_are_content_of_messages(started: Started) -> None:
    assert await started.servers.read_resource("one", "memo://tea") == [TextPart(text="Memo about tea")]
    assert await started.servers.get_prompt("one", "echo", {"text": "hi"}) == [TextPart(text="Say hi")]
    assert "echo" in {prompt.name for prompt in await started.servers.list_prompts("one")}


async def test_missing_resources_prompts_and_arguments_are_errors(started: Started) -> None:
    for request in (
        started.servers.read_resource("one", "other://x"),
        started.servers.get_prompt("one", "other", {}),
        started.servers.get_prompt("one", "echo", {}),
    ):
        with pytest.raises(ToolError):
            await request


async def test_listeners_get_the_names_of_servers_whose_tools_have_changed(started: Started) -> None:
    changed: asyncio.Queue[str] = asyncio.Queue()
    started.servers.on_tools_changed(changed.put)
    await started.servers.list_tools("one")
    await started.change_tools()
    assert await changed.get() == "one"
