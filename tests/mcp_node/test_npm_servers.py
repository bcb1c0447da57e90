"""The official MCP servers in TypeScript, over each transport that they have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from agentkit.errors import ToolError
from agentkit.interfaces import ToolOutput
from agentkit.messages import FilePart, TextPart
from tests.mcp_node.node_packages import NODE
from tests.mcp_node.npm_servers import NpmServer, connected, everything_over_http, script, until_listening

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Run ``server-everything`` over HTTP, both ways, for all tests."""
    logs = tmp_path_factory.mktemp("everything")
    with (
        everything_over_http("streamableHttp", logs / "http.log") as http,
        everything_over_http("sse", logs / "sse.log") as sse,
    ):
        yield {"http": http, "sse": sse}


@pytest.fixture(params=["stdio", "http", "sse"])
async def everything(
    request: pytest.FixtureRequest, origins: Mapping[str, str], tmp_path: Path
) -> AsyncIterator[NpmServer]:
    entry: Mapping[str, object]
    match request.param:
        case "stdio":
            entry = {"command": str(NODE), "args": [script("everything"), "stdio"]}
        case "http":
            entry = {"url": f"{origins['http']}/mcp"}
        case _:
            entry = {"url": f"{origins['sse']}/sse", "type": "sse"}
    if "url" in entry:
        await until_listening(origins[request.param])
    async with connected("everything", entry, tmp_path) as server:
        yield server


async def test_tools_are_listed_with_their_effects(everything: NpmServer) -> None:
    tools = {spec.mcp.name: spec for spec in await everything.servers.list_tools("everything") if spec.mcp is not None}
    assert tools["echo"].name == "everything__echo"
    assert tools["echo"].parameters["required"] == ["message"]
    assert (tools["echo"].effect, tools["gzip-file-as-resource"].effect) == ("pure", "idempotent")
    assert "trigger-elicitation-request" in tools, "the server offers it only to clients that can be asked"
    assert "trigger-sampling-request" in tools


async def test_texts_images_and_structured_content_are_results(everything: NpmServer) -> None:
    assert await everything.call("echo", message="hello") == "Echo: hello"
    image = await everything.call("get-tiny-image")
    assert isinstance(image, ToolOutput)
    assert [file.media_type for file in image.files or ()] == ["image/png"]
    weather = await everything.call("get-structured-content", location="Chicago")
    assert isinstance(weather, dict)
    assert weather["conditions"] == "Light rain / drizzle"


async def test_resources_are_listed_linked_and_read(everything: NpmServer) -> None:
    resources = {resource.uri: resource for resource in await everything.servers.list_resources("everything")}
    assert resources["demo://resource/dynamic/text/{resourceId}"].is_template
    linked = await everything.call("get-resource-links", count=1)
    assert "demo://resource/dynamic/blob/1" in str(linked)
    [text] = await everything.servers.read_resource("everything", "demo://resource/dynamic/text/1")
    [blob] = await everything.servers.read_resource("everything", "demo://resource/dynamic/blob/1")
    assert isinstance(text, TextPart)
    assert text.text.startswith("Resource 1: This is a plaintext resource")
    assert isinstance(blob, FilePart)
    with pytest.raises(ToolError):
        await everything.servers.read_resource("everything", "demo://nothing")


async def test_prompts_are_listed_and_filled_in(everything: NpmServer) -> None:
    prompts = {prompt.name: prompt for prompt in await everything.servers.list_prompts("everything")}
    assert [(argument.name, argument.required) for argument in prompts["args-prompt"].arguments] == [
        ("city", True),
        ("state", False),
    ]
    parts = await everything.servers.get_prompt("everything", "args-prompt", {"city": "Paris"})
    assert parts == [TextPart(text="What's weather in Paris?")]


async def test_progress_is_reported(everything: NpmServer) -> None:
    await everything.call("trigger-long-running-operation", duration=0.2, steps=2)
    assert [report.fraction for report in everything.reports] == [0.5, 1.0]


async def test_people_and_models_are_asked_in_a_call(everything: NpmServer) -> None:
    elicited = await everything.call("trigger-elicitation-request")
    sampled = await everything.call("trigger-sampling-request", prompt="Which city?")
    assert "- Name: Ada" in str(elicited)
    assert '"text": "Paris"' in str(sampled)
    assert [request.method for request in everything.asked if request.method != "roots/list"] == [
        "elicitation/create",
        "sampling/createMessage",
    ]


async def test_many_calls_at_once_have_their_own_results(everything: NpmServer) -> None:
    messages = [f"message {number}" for number in range(20)]
    results = await asyncio.gather(*(everything.call("echo", message=message) for message in messages))
    assert results == [f"Echo: {message}" for message in messages]


async def test_a_server_says_that_its_tools_have_changed(origins: Mapping[str, str], tmp_path: Path) -> None:
    entry = {"command": str(NODE), "args": [script("everything"), "stdio"]}
    async with connected("everything", entry, tmp_path) as server:
        # It adds tools when it knows what the client can do: after the first list, or before it on a busy machine.
        async with asyncio.timeout(20):
            while not any(
                tool.mcp and tool.mcp.name == "trigger-sampling-request"
                for tool in await server.servers.list_tools("everything")
            ):
                await server.call("echo", message="hello")


async def test_the_filesystem_server_writes_in_its_directory_and_nowhere_else(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    entry = {"command": str(NODE), "args": [script("filesystem"), str(served)]}
    async with connected("filesystem", entry, tmp_path) as server:
        await server.call("write_file", path=str(served / "note.txt"), content="milk")
        assert await server.call("list_directory", path=str(served)) == "[FILE] note.txt"
        with pytest.raises(ToolError, match="outside allowed directories"):
            await server.call("write_file", path=str(tmp_path / "other.txt"), content="milk")
    assert (served / "note.txt").read_text() == "milk"
    assert not (tmp_path / "other.txt").exists()


async def test_what_the_memory_server_knows_outlives_its_process(tmp_path: Path) -> None:
    memory = {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    entry = {"command": str(NODE), "args": [script("memory")], "env": memory}
    person: dict[str, JsonValue] = {"name": "Ada", "entityType": "person", "observations": ["writes programs"]}
    async with connected("memory", entry, tmp_path) as server:
        await server.call("create_entities", entities=[person])
    async with connected("memory", entry, tmp_path) as server:
        found = await server.call("search_nodes", query="ada")
    assert isinstance(found, dict)
    assert found["entities"] == [person]
