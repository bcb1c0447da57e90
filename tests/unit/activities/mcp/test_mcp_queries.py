from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.mcp import mcp_queries
from activities.mcp.mcp_queries import (
    McpContent,
    McpContentRefusal,
    McpContentRequest,
    McpQueryActivities,
    McpServerQuery,
    McpServerStates,
    McpToolList,
)
from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import NoMcpServers
from agentkit.mcp_config.mcp_input import PromptReference, ResourceReference
from agentkit.messages import TextPart
from agentkit.specs import ToolSpec
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool


class _Hanging(ScriptedMcpServers):
    """Servers of which one never responds."""

    async def list_tools(self, server: str) -> Sequence[ToolSpec]:
        if server == "hanging":
            await asyncio.Event().wait()
        return await super().list_tools(server)


def text_tool(description: str = "") -> ScriptedMcpTool:
    return ScriptedMcpTool(lambda arguments, context: "", description=description)


async def read(servers: ScriptedMcpServers, *items: PromptReference | ResourceReference, size: int = 100) -> McpContent:
    request = McpContentRequest(items=items, max_bytes=size)
    content: McpContent = await ActivityEnvironment().run(McpQueryActivities(servers).read_content, request)
    return content


async def test_a_server_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_queries, "_STATE_TIMEOUT_S", 0.05)
    servers = _Hanging({"hanging": ScriptedMcpServer(), "quick": ScriptedMcpServer({"a": text_tool()})})
    states: McpServerStates = await ActivityEnvironment().run(McpQueryActivities(servers).query_servers)
    hanging, quick = states.servers
    assert hanging.problem is not None
    assert (hanging.problem.kind, "within 0.05 s" in hanging.problem.message) == ("timed_out", True)
    assert (quick.tools, quick.problem) == (1, None)


async def test_a_worker_without_servers_has_none() -> None:
    activities = McpQueryActivities(NoMcpServers())
    assert await ActivityEnvironment().run(activities.query_servers) == McpServerStates(servers=())
    with pytest.raises(ApplicationError, match=r"no MCP server 'time' in mcp\.json\. Servers: none\."):
        await ActivityEnvironment().run(activities.query_tools, McpServerQuery(server="time"))


async def test_a_long_list_is_cut_and_says_how_many_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_queries, "_MAX_LIST_BYTES", 2_000)
    servers = ScriptedMcpServers({"s": ScriptedMcpServer({str(n): text_tool("x" * 500) for n in range(10)})})
    tools: McpToolList = await ActivityEnvironment().run(
        McpQueryActivities(servers).query_tools, McpServerQuery(server="s")
    )
    assert len(tools.tools) in (2, 3)
    assert len(tools.tools) + tools.left_out == 10


async def test_the_contents_are_in_the_order_of_the_references() -> None:
    servers = ScriptedMcpServers({"s": ScriptedMcpServer(resources={"a:1": "one"}, prompts={"p": "Say {word}."})})
    content = await read(
        servers,
        ResourceReference(uri="a:1", server="s"),
        PromptReference(prompt="s/p", arguments={"word": "hello"}),
    )
    assert content.contents == ((TextPart(text="one"),), (TextPart(text="Say hello."),))


async def test_the_first_reference_that_is_wrong_decides_the_failure() -> None:
    servers = ScriptedMcpServers({"s": ScriptedMcpServer(resources={"a:1": "one"})})
    with pytest.raises(ApplicationError) as raised:
        await read(servers, *(ResourceReference(uri=uri, server="s") for uri in ("a:1", "a:2", "a:3")))
    refusal = McpContentRefusal.model_validate(raised.value.details[0])
    assert (raised.value.type, refusal.item, refusal.path) == ("McpContentRefusal", 1, ("uri",))
    assert raised.value.non_retryable


async def test_the_size_of_all_contents_together_is_limited() -> None:
    servers = ScriptedMcpServers({"s": ScriptedMcpServer(resources={"a:1": "ä" * 30})})
    reference = ResourceReference(uri="a:1", server="s")
    await read(servers, reference, size=60)
    with pytest.raises(ApplicationError, match="longer than 119 bytes"):
        await read(servers, reference, reference, size=119)


async def test_a_server_that_fails_is_a_failure_with_its_kind() -> None:
    problem = McpServerUnavailable("It crashed.", server="s", kind="crashed")
    servers = ScriptedMcpServers({"s": ScriptedMcpServer(problem=problem)})
    with pytest.raises(ApplicationError) as raised:
        await read(servers, PromptReference(prompt="s/p"))
    assert (raised.value.type, raised.value.details[0]) == (
        "McpServerUnavailable",
        {"server": "s", "kind": "crashed"},
    )
