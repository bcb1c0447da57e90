from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agentkit.errors import McpServerUnavailable, ToolError
from agentkit.interfaces import McpResource, McpServers, ToolContext, ToolOutput, ToolValue
from agentkit.messages import FilePart, ImagePart, InputPart, TextPart
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers
from agentkit.tools.mcp_resource_tools import mcp_resource_tools

CONTEXT = ToolContext(task_id="t1", call_id="c1", idempotency_key="t1/c1", step=1)


async def called(servers: McpServers | None, name: str, /, **arguments: Any) -> ToolValue:
    tool = next(tool for tool in mcp_resource_tools(servers) if tool.spec.name == name)
    return await tool.call(arguments, CONTEXT)


async def listed(servers: McpServers, **arguments: Any) -> dict[str, Any]:
    result = await called(servers, "list_resources", **arguments)
    assert isinstance(result, dict)
    return result


class PartsServers(ScriptedMcpServers):
    """One server, ``s``, whose resources are these parts."""

    def __init__(self, *parts: InputPart) -> None:
        super().__init__({"s": ScriptedMcpServer()})
        self._parts = parts

    async def read_resource(self, server: str, uri: str) -> Sequence[InputPart]:
        return self._parts


def two_servers() -> ScriptedMcpServers:
    return ScriptedMcpServers(
        {
            "docs": ScriptedMcpServer(resources={"docs://a": "Alpha", "docs://b": "Beta"}),
            "mail": ScriptedMcpServer(resources={"mail://1": "Hello"}),
        }
    )


async def test_the_resources_of_all_servers_are_listed_with_their_server() -> None:
    result = await listed(two_servers())
    assert [(each["server"], each["uri"]) for each in result["resources"]] == [
        ("docs", "docs://a"),
        ("docs", "docs://b"),
        ("mail", "mail://1"),
    ]
    assert "notes" not in result


async def test_a_server_that_fails_is_a_note_and_an_error_where_only_it_is_asked() -> None:
    servers = two_servers()
    servers.servers["docs"].problem = McpServerUnavailable("MCP server docs: it crashed.")
    result = await listed(servers)
    assert [each["uri"] for each in result["resources"]] == ["mail://1"]
    assert result["notes"] == ["MCP server docs: it crashed."]
    with pytest.raises(ToolError, match="MCP server docs: it crashed"):
        await listed(servers, server="docs")
    with pytest.raises(ToolError, match=r"'doc' in mcp\.json\. Did you mean 'docs'\? Servers: docs, mail\."):
        await listed(servers, server="doc")


async def test_long_lists_are_cut_and_templates_named() -> None:
    class Many(ScriptedMcpServers):
        async def list_resources(self, server: str) -> Sequence[McpResource]:
            template = McpResource(uri="s://{id}", name="t", description="x" * 9_000, is_template=True)
            return [template, *(McpResource(uri=f"s://{number}", name="r", size=3) for number in range(500))]

    result = await listed(Many({"s": ScriptedMcpServer()}))
    assert result["resources"][:2] == [
        {"server": "s", "uri_template": "s://{id}", "name": "t", "description": "x" * 200},
        {"server": "s", "uri": "s://0", "name": "r", "size": 3},
    ]
    assert len(result["resources"]) == 100
    assert result["notes"] == ["401 more are not shown. Name a server to list its own."]


async def test_text_is_read_as_text() -> None:
    assert await called(two_servers(), "read_resource", server="docs", uri="docs://a") == "Alpha"
    file = FilePart(data=b"YSxi", media_type="text/csv", name="t.csv")
    assert await called(PartsServers(file), "read_resource", server="s", uri="x") == "a,b"
    both = PartsServers(TextPart(text="First."), file)
    assert await called(both, "read_resource", server="s", uri="x") == "First.\n\n[t.csv (text/csv)]\na,b"
    assert await called(PartsServers(), "read_resource", server="s", uri="x") == "The resource is empty."


async def test_what_is_not_text_is_a_file_of_the_result() -> None:
    image = ImagePart(data=b"iVBORw0KGgo=", media_type="image/png")
    pdf = FilePart(data=b"JVBERg==", media_type="application/pdf", name="a.pdf")
    result = await called(PartsServers(image, TextPart(text="Both."), pdf), "read_resource", server="s", uri="x")
    assert isinstance(result, ToolOutput)
    assert result.value == "Both."
    assert [(file.media_type, file.name, file.data) for file in result.files or ()] == [
        ("image/png", None, b"\x89PNG\r\n\x1a\n"),
        ("application/pdf", "a.pdf", b"%PDF"),
    ]


async def test_a_single_file_is_the_result() -> None:
    pdf = FilePart(data=b"JVBERg==", media_type="application/pdf")
    result = await called(PartsServers(pdf), "read_resource", server="s", uri="x")
    assert isinstance(result, ToolOutput)
    assert result.value is None
    assert [file.data for file in result.files or ()] == [b"%PDF"]


async def test_errors_are_for_the_model() -> None:
    with pytest.raises(ToolError, match="has no resource 'docs://c'"):
        await called(two_servers(), "read_resource", server="docs", uri="docs://c")
    with pytest.raises(ToolError, match="no MCP server 'x'"):
        await called(two_servers(), "read_resource", server="x", uri="docs://c")
    with pytest.raises(ToolError, match="no MCP servers in this process"):
        await called(None, "list_resources")
