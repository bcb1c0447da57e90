from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from agentkit.errors import McpServerUnavailable, ToolNotFound
from agentkit.mcp.replaceable_servers import ReplaceableMcpServers
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.messages import TextPart
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool

SETTINGS = McpServerSettings(command="x")


class OpenedServers(ScriptedMcpServers):
    """Scripted servers that are replaced and closed."""

    def __init__(self, servers: Mapping[str, McpServerSettings]) -> None:
        one = ScriptedMcpServer(
            tools={"wait": ScriptedMcpTool(lambda *_: "Waited.")},
            resources={"memo://tea": "Tea"},
            prompts={"echo": "Say {text}"},
        )
        super().__init__(dict.fromkeys(servers, one))
        self.is_closed = False

    def replace_servers(self, servers: Mapping[str, McpServerSettings]) -> None:
        self.servers = {name: self.servers.get(name, ScriptedMcpServer()) for name in servers}

    async def aclose(self) -> None:
        self.is_closed = True


def replaceable(*names: str) -> tuple[ReplaceableMcpServers, list[OpenedServers]]:
    """Return servers of these names, and the list of what they have opened."""
    opened: list[OpenedServers] = []

    def open_servers(servers: Mapping[str, McpServerSettings]) -> OpenedServers:
        opened.append(OpenedServers(servers))
        return opened[-1]

    return ReplaceableMcpServers(dict.fromkeys(names, SETTINGS), open_servers), opened


async def test_without_servers_nothing_is_opened_until_there_are_some() -> None:
    servers, opened = replaceable()
    assert servers.settings == {}
    with pytest.raises(McpServerUnavailable, match="no MCP server 'one'"):
        await servers.list_tools("one")
    with pytest.raises(ToolNotFound):
        servers.tool("one", "wait")
    await servers.aclose()
    assert opened == []

    await asyncio.to_thread(servers.replace_servers, {"one": SETTINGS})
    await asyncio.sleep(0)
    assert [spec.name for spec in await servers.list_tools("one")] == ["one__wait"]

    await asyncio.to_thread(servers.replace_servers, {})
    await asyncio.sleep(0)
    assert (servers.settings, len(opened)) == ({}, 1)


async def test_what_is_opened_serves_every_request_and_is_closed() -> None:
    servers, opened = replaceable("one")
    assert list(servers.settings) == ["one"]
    assert servers.tool("one", "wait", effect="pure").spec.effect == "pure"
    assert [resource.uri for resource in await servers.list_resources("one")] == ["memo://tea"]
    assert await servers.read_resource("one", "memo://tea") == [TextPart(text="Tea")]
    assert [prompt.name for prompt in await servers.list_prompts("one")] == ["echo"]
    assert await servers.get_prompt("one", "echo", {"text": "hi"}) == [TextPart(text="Say hi")]

    await servers.aclose()
    assert [each.is_closed for each in opened] == [True]
