"""Servers over HTTP that begin an answer and don't end it: each phase has its timeout, and its name in the message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.responses import StreamingResponse

from agentkit.errors import McpServerUnavailable, ToolInterrupted
from agentkit.interfaces import NoSecrets, ToolContext
from agentkit.mcp.server_builder import build_mcp_servers
from tests.integration.mcp_http.calculators import calculating, http_settings


async def endless() -> AsyncIterator[bytes]:
    yield b'{"jsonrpc": "2.0", '
    await asyncio.Event().wait()


async def endless_events() -> AsyncIterator[bytes]:
    yield b": ping\n\n"
    await asyncio.Event().wait()


ANSWERS = {
    "json": lambda: StreamingResponse(endless(), media_type="application/json"),
    "events": lambda: StreamingResponse(endless_events(), media_type="text/event-stream"),
}


@pytest.mark.parametrize("kind", ["modern", "legacy"])
@pytest.mark.parametrize("body", ANSWERS)
async def test_a_body_that_does_not_end_is_given_up_in_each_phase(kind: str, body: str, tmp_path: Path) -> None:
    async with calculating(kind) as calc:
        settings = http_settings(calc.server.url, kind, timeout=0.5, connect_timeout=4)
        async with build_mcp_servers(
            {"calc": settings}, app_dir=tmp_path, log_dir=tmp_path, secrets=NoSecrets(), environment={}
        ) as servers:
            add = servers.tool("calc", "add")
            context = ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1)
            assert await add.call({"a": 1, "b": 2}, context) == 3

            calc.server.answers["tools/call"] = ANSWERS[body]()
            with pytest.raises(ToolInterrupted, match=r"^MCP server calc \(request\): no response to tools/call add"):
                await add.call({"a": 1, "b": 2}, context)

            calc.server.answers["tools/list"] = ANSWERS[body]()
            with pytest.raises(McpServerUnavailable, match=r"^MCP server calc \(list\): no response") as listing:
                await servers.list_tools("calc")
            assert listing.value.kind == "timed_out"

            await calc.server.restart()
            calc.server.answers = {"*": ANSWERS[body]()}
            with pytest.raises(McpServerUnavailable, match=r"^MCP server calc \((connect|list)\): no ") as connecting:
                await servers.list_tools("calc")
            assert connecting.value.kind == "timed_out"
