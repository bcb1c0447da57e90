from __future__ import annotations

import pytest

from agentkit.errors import McpServerUnavailable, ToolError, ToolNotFound
from agentkit.messages import TextPart
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool


async def test_resources_and_prompts_are_texts() -> None:
    server = ScriptedMcpServer(resources={"file:///a": "A"}, prompts={"greet": "Hello {name}"})
    servers = ScriptedMcpServers({"s": server})

    assert [resource.uri for resource in await servers.list_resources("s")] == ["file:///a"]
    assert await servers.read_resource("s", "file:///a") == [TextPart(text="A")]
    assert [prompt.name for prompt in await servers.list_prompts("s")] == ["greet"]
    assert await servers.get_prompt("s", "greet", {"name": "Ada"}) == [TextPart(text="Hello Ada")]
    for failing in (
        servers.read_resource("s", "b"),
        servers.get_prompt("s", "x", {}),
        servers.get_prompt("s", "greet", {}),
    ):
        with pytest.raises(ToolError):
            await failing


async def test_a_server_that_is_unknown_or_has_a_problem_raises() -> None:
    problem = McpServerUnavailable("down", server="s", kind="crashed")
    servers = ScriptedMcpServers({"s": ScriptedMcpServer(problem=problem)})

    for name in ("s", "t"):
        with pytest.raises(McpServerUnavailable):
            await servers.list_tools(name)
    with pytest.raises(ToolNotFound):
        servers.tool("t", "x")


async def test_changed_tools_are_listed() -> None:
    servers = ScriptedMcpServers({"s": ScriptedMcpServer()})

    servers.change_tools("s", {"x": ScriptedMcpTool(lambda *_: None)})

    assert [spec.name for spec in await servers.list_tools("s")] == ["s__x"]
