"""What the SDK knows of a server's tools before it calls one."""

from __future__ import annotations

import pytest
from mcp_types import HEADER_MISMATCH
from starlette.responses import JSONResponse

from agentkit.errors import McpServerUnavailable
from tests.integration.mcp_http.calculators import calculating


@pytest.mark.parametrize("kind", ["modern", "legacy", "sse"])
async def test_the_tools_are_listed_once_however_many_clients_there_are(kind: str) -> None:
    async with calculating(kind) as calc:
        for _ in range(3):
            await calc.add(1, 2)
        assert calc.server.methods().count("tools/list") == 1
        await calc.server.restart()
        await calc.add(1, 2)


async def test_arguments_that_belong_in_headers_are_sent_in_headers() -> None:
    async with calculating("modern") as calc:
        result = await calc.call("region_of", region="eu")
        assert result.structured_content == {"result": "eu"}
        [call] = [seen for seen in calc.server.seen if seen.method == "tools/call"]
    assert call.headers["mcp-param-region"] == "eu"


async def test_tools_that_have_changed_are_listed_anew() -> None:
    mismatch = {"jsonrpc": "2.0", "id": None, "error": {"code": HEADER_MISMATCH, "message": "no header"}}
    async with calculating("modern") as calc:
        await calc.add(1, 2)
        calc.server.answers["tools/call"] = JSONResponse(mismatch, status_code=400)
        with pytest.raises(McpServerUnavailable, match="tools have changed"):
            await calc.add(1, 2)
        calc.server.answers.clear()
        assert await calc.add(3, 4) == 7
        assert calc.server.methods().count("tools/list") == 2
