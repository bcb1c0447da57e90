"""Listings of MCP servers over stdio: tools, resources and prompts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from agentkit.errors import McpServerUnavailable, ToolError, ToolNotFound
from agentkit.mcp.server_pool import McpServerPool
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.messages import ImagePart, TextPart
from tests.integration.mcp.conftest import StartServers
from tests.mcp_stdio_settings import call_context, raw_server, sdk_server
from tests.polling import eventually


async def test_tools_are_listed_over_all_pages(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server("pages"), whole=raw_server())
    paged = [spec.mcp and spec.mcp.name for spec in await servers.list_tools("raw")]
    whole = [spec.mcp and spec.mcp.name for spec in await servers.list_tools("whole")]
    assert paged == whole
    assert len(paged) > 10


async def test_fifty_tasks_that_start_at_once_list_the_tools_once(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server())
    listings = await asyncio.gather(*(servers.list_tools("raw") for _ in range(50)))
    assert all(listing == listings[0] for listing in listings)
    assert await servers.list_tools("raw") == listings[0]
    assert await servers.tool("raw", "count_listings").call({}, call_context()) == "1"


async def test_a_listing_that_hangs_times_out_with_its_phase(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server("hang_at_list", timeout=0.5))
    with pytest.raises(McpServerUnavailable, match=r"MCP server raw \(list\): no response to tools/list within 0.5 s"):
        await servers.list_tools("raw")


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_a_changed_list_of_tools_is_seen_by_the_next_listing(start_servers: StartServers, protocol: str) -> None:
    raw = protocol == "legacy"
    servers = await start_servers(one=raw_server() if raw else sdk_server())
    before = {spec.name for spec in await servers.list_tools("one")}
    assert {spec.name for spec in await servers.list_tools("one")} == before
    await servers.tool("one", "change_tools" if raw else "add_tool").call({}, call_context())
    added = "one__new_tool" if raw else "one__added"
    async with asyncio.timeout(2):  # a listing of older protocols' servers may be as old as 3 s without their message
        while added not in {spec.name for spec in await servers.list_tools("one")}:
            pass


async def test_disabled_and_unknown_servers_and_tools_are_named(start_servers: StartServers) -> None:
    settings = McpServerSettings.model_validate(
        {"command": "x", "opspawn": {"tools": {"deny": ["delete_*"]}, "effects": {"get": "pure"}}}
    )
    servers = await start_servers(on=settings, off=settings.model_copy(update={"disabled": True}))
    assert list(servers.settings) == ["on"]
    for name in ("off", "other"):
        with pytest.raises(
            McpServerUnavailable, match=rf"no MCP server '{name}' in mcp\.json\..*Servers: on\.$"
        ) as caught:
            await servers.list_tools(name)
        assert caught.value.kind == "unknown"
        with pytest.raises(ToolNotFound, match="Servers: on"):
            servers.tool(name, "get")
    with pytest.raises(ToolNotFound, match="do not allow its tool 'delete_all'"):
        servers.tool("on", "delete_all")
    assert servers.tool("on", "get").spec.effect == "pure"
    assert servers.tool("on", "get", effect="idempotent").spec.effect == "idempotent"
    assert servers.tool("on", "put").spec.effect == "irreversible"


async def test_resources_are_listed_and_read(start_servers: StartServers) -> None:
    servers = await start_servers(sdk=sdk_server())
    listed = {resource.uri: resource for resource in await servers.list_resources("sdk")}
    assert listed["memo://{name}"].is_template
    assert listed["file:///logo.png"].media_type == "image/png"
    assert await servers.read_resource("sdk", "memo://tea") == [TextPart(text="Memo about tea")]
    (logo,) = await servers.read_resource("sdk", "file:///logo.png")
    assert isinstance(logo, ImagePart)
    assert logo.data == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(ToolError, match="MCP server sdk answers resources/read with an error"):
        await servers.read_resource("sdk", "other://x")


async def test_prompts_are_listed_and_filled_in(start_servers: StartServers) -> None:
    servers = await start_servers(sdk=sdk_server())
    prompt, _ = await servers.list_prompts("sdk")
    assert (prompt.name, prompt.description) == ("review", "Ask for a review.")
    assert [(argument.name, argument.required) for argument in prompt.arguments] == [("code", True)]
    parts = await servers.get_prompt("sdk", "review", {"code": "x = 1"})
    assert parts == [TextPart(text=text) for text in ("user:", "Review this: x = 1", "assistant:", "Gladly.")]
    with pytest.raises(ToolError, match="prompts/get"):
        await servers.get_prompt("sdk", "review", {})


async def test_a_server_without_resources_and_prompts_has_none(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server("bare"))
    assert await servers.list_resources("raw") == []
    assert await servers.list_prompts("raw") == []


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_changed_settings_start_only_their_own_server_anew_and_cut_no_call_off(
    start_servers: StartServers, tmp_path: Path
) -> None:
    files = {name: tmp_path / name for name in ("changed", "gone", "same")}

    def settings(**timeouts: float) -> Mapping[str, McpServerSettings]:
        return {
            name: raw_server(env={"STARTS_FILE": str(file)}, timeout=timeouts.get(name, 60))
            for name, file in files.items()
        }

    def pids(name: str) -> list[int]:
        return [int(line) for line in files[name].read_text().split()]

    servers = await start_servers(**settings())
    assert isinstance(servers, McpServerPool)
    for name in files:
        await servers.list_tools(name)
    pausing = asyncio.create_task(servers.tool("changed", "pause").call({"seconds": 1}, call_context()))
    await servers.list_prompts("changed")  # so the call was sent
    replaced = {**settings(changed=30), "new": raw_server()}
    del replaced["gone"]
    servers.replace_servers(replaced)
    await eventually(lambda: not is_running(pids("gone")[0]), 10)

    assert list(servers.settings) == ["changed", "same", "new"]
    assert servers.settings["changed"].opspawn.timeout == 30
    for name in servers.settings:
        await servers.list_tools(name)
    with pytest.raises(McpServerUnavailable, match="no MCP server 'gone'"):
        await servers.list_tools("gone")
    assert await pausing == "Done."
    assert [len(pids(name)) for name in files] == [2, 1, 1]
    await eventually(lambda: not is_running(pids("changed")[0]), 10)
    assert is_running(pids("changed")[1])
