"""Sessions over HTTP with real servers: each protocol, drops, restarts and waits."""

from __future__ import annotations

import asyncio

import pytest
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED, TextContent

from agentkit.errors import McpServerUnavailable
from agentkit.mcp.http.http_sessions import HttpSessions
from tests.integration.mcp_http.calculators import TIMEOUT_S, calculating, http_settings
from tests.mcp_http_servers import calculator, serve_mcp

KINDS = ["auto", "modern", "modern-stream", "legacy", "legacy-json", "sse"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_tool_is_called(kind: str) -> None:
    async with calculating(kind) as calc:
        assert await calc.add(1, 2) == 3


async def test_a_modern_server_is_asked_once_what_it_has() -> None:
    async with calculating("auto") as calc:
        await calc.add(1, 2)
        await calc.add(3, 4)
        methods = calc.server.methods()
    assert methods == ["server/discover", "tools/list", "tools/call", "tools/call"]


async def test_auto_falls_back_to_the_older_protocol_and_remembers_it() -> None:
    async with calculating("legacy") as calc:
        sessions = HttpSessions("calc", http_settings(calc.server.url))
        calc.server.refuse("server/discover", status=400)
        for _ in range(2):
            async with sessions.session() as client:
                await client.session.call_tool("add", {"a": 1, "b": 2})
                assert client.protocol_version == "2025-11-25"
        await sessions.aclose()
        methods = calc.server.methods()
    assert methods.count("server/discover") == 1
    assert methods.count("initialize") == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_is_cut_off_is_not_repeated_and_the_next_one_works(kind: str) -> None:
    async with calculating(kind) as calc:
        cut = asyncio.create_task(calc.call("wait"))
        await asyncio.wait_for(calc.running.wait(), TIMEOUT_S)
        calc.server.cut_off()
        with pytest.raises(MCPError) as raised:
            await cut
        assert raised.value.code == CONNECTION_CLOSED
        assert await calc.add(1, 2) == 3
    assert calc.calls == ["wait", "add"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_dropped_connection_affects_no_other_request(kind: str) -> None:
    async with calculating(kind) as calc:
        other = asyncio.create_task(calc.call("wait"))
        await asyncio.wait_for(calc.running.wait(), TIMEOUT_S)
        calc.running.clear()
        spared = calc.server.open_connections()
        cut = asyncio.create_task(calc.call("wait"))
        await asyncio.wait_for(calc.running.wait(), TIMEOUT_S)
        calc.server.cut_off(spare=spared)
        with pytest.raises(MCPError):
            await cut
        assert not other.done()
        assert await calc.add(1, 2) == 3
        other.cancel()
        await asyncio.wait({other})


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_may_restart_between_calls(kind: str) -> None:
    async with calculating(kind) as calc:
        assert await calc.add(1, 2) == 3
        await calc.server.restart()
        assert await calc.add(3, 4) == 7
    assert calc.calls == ["add", "add"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_is_down_is_unreachable_and_is_reached_when_it_is_up(kind: str) -> None:
    async with calculating(kind) as calc:
        assert await calc.add(1, 2) == 3
        await calc.server.stop()
        with pytest.raises(
            McpServerUnavailable, match=r"^MCP server calc \((request|connect)\): no connection to"
        ) as raised:
            await calc.add(1, 2)
        assert raised.value.kind == "unreachable"
        await calc.server.start()
        assert await calc.add(3, 4) == 7
    assert calc.calls == ["add", "add"]


@pytest.mark.parametrize("kind", ["auto", "legacy"])
async def test_a_server_may_change_to_the_other_protocol(kind: str) -> None:
    async with calculating("auto") as calc:
        if kind == "legacy":
            calc.server.refuse("server/discover", status=400)
        assert await calc.add(1, 2) == 3
        await calc.server.stop()
        with pytest.raises(McpServerUnavailable):
            await calc.add(1, 2)
        calc.server.answers.clear()
        if kind == "auto":
            calc.server.refuse("server/discover", status=400)
        await calc.server.start()
        async with calc.sessions.session() as client:
            await client.session.call_tool("add", {"a": 1, "b": 2})
            assert client.protocol_version == ("2025-11-25" if kind == "auto" else "2026-07-28")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_does_not_answer_is_given_up(kind: str) -> None:
    async with calculating(kind, connect_timeout=0.5) as calc:
        calc.server.silent = True
        with pytest.raises(McpServerUnavailable, match=r"calc \(connect\): no connection within 0.5 s") as raised:
            await calc.add(1, 2)
        assert raised.value.kind == "timed_out"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_failing_server_does_not_affect_another(kind: str) -> None:
    async with calculating(kind) as bad, calculating(kind) as good:
        bad.server.refuse("*", status=503)
        failing = [asyncio.create_task(bad.add(1, 2)) for _ in range(5)]
        assert await good.add(1, 2) == 3
        ended = await asyncio.gather(*failing, return_exceptions=True)
    assert {type(error) for error in ended} == {McpServerUnavailable}


@pytest.mark.parametrize("kind", KINDS)
async def test_of_a_result_of_20_mb_the_start_is_read(kind: str) -> None:
    async with calculating(kind, max_result_bytes=1_000_000) as calc:
        result = await calc.call("much_text", chars=20_000_000)
        assert await calc.add(1, 2) == 3
    start, note = result.content
    assert isinstance(start, TextContent)
    assert 990_000 < len(start.text) < 1_000_000
    assert note == TextContent(
        text="[The result is longer than max_result_bytes (1,000,000 bytes): this is its start.]"
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_is_cancelled_leaves_nothing_behind(kind: str) -> None:
    async with calculating(kind) as calc:
        waiting = asyncio.create_task(calc.call("wait"))
        await asyncio.wait_for(calc.running.wait(), TIMEOUT_S)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await calc.add(1, 2) == 3


async def test_headers_are_sent_to_the_server_and_not_to_another_origin() -> None:
    async with serve_mcp(lambda: calculator().streamable_http_app()) as other, calculating("modern") as calc:
        entry = {"url": calc.server.url, "headers": {"Authorization": "Bearer secret"}}
        sessions = HttpSessions("calc", http_settings(calc.server.url).model_validate(entry))
        async with sessions.session():
            pass
        assert {seen.headers.get("authorization") for seen in calc.server.seen} == {"Bearer secret"}
        calc.server.redirect_to(other.url)
        with pytest.raises(McpServerUnavailable, match=r"redirects to http://127\.0\.0\.1") as raised:
            async with sessions.session() as client:
                await client.session.call_tool("add", {"a": 1, "b": 2})
        await sessions.aclose()
    assert raised.value.kind == "wrong_protocol"
    assert other.seen == []


async def test_a_version_that_is_not_supported_is_named() -> None:
    sessions = HttpSessions("calc", http_settings("http://127.0.0.1:9/mcp", protocol="2031-01-01"))
    with pytest.raises(McpServerUnavailable, match=r"calc \(connect\): protocol 2031-01-01 is not supported"):
        async with sessions.session():
            pass
