"""The transport of protocol 2024-11-05, against servers that break it."""

from __future__ import annotations

import pytest
from starlette.responses import HTMLResponse, Response

from agentkit.errors import McpServerUnavailable
from tests.integration.mcp_http.calculators import calculating


@pytest.mark.parametrize(
    ("status", "problem"), [(401, "not_authorized"), (503, "unreachable"), (404, "wrong_protocol")]
)
async def test_a_stream_of_events_that_is_refused_is_named_with_the_cause(status: int, problem: str) -> None:
    async with calculating("sse") as calc:
        calc.server.refuse("*", status=status)
        with pytest.raises(McpServerUnavailable, match=f"HTTP {status}") as raised:
            await calc.add(1, 2)
    assert raised.value.kind == problem


async def test_a_url_without_events_is_no_server_of_the_oldest_protocol() -> None:
    async with calculating("sse") as calc:
        calc.server.answers["*"] = HTMLResponse("<html>")
        with pytest.raises(McpServerUnavailable, match="text/event-stream") as raised:
            await calc.add(1, 2)
    assert raised.value.kind == "wrong_protocol"


async def test_a_request_over_the_oldest_protocol_that_is_refused_was_not_made() -> None:
    async with calculating("sse") as calc:
        await calc.add(1, 2)
        calc.server.refuse("tools/call", status=503)
        with pytest.raises(McpServerUnavailable, match="HTTP 503"):
            await calc.add(1, 2)
        calc.server.answers.clear()
        assert await calc.add(3, 4) == 7


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ("event: endpoint\ndata: http://127.0.0.1:9/messages\n\n", "another origin"),
        ("event: message\ndata: {}\n\n", "ended before it named the URL"),
    ],
)
async def test_a_stream_that_names_no_url_of_its_own_origin_is_not_used(events: str, cause: str) -> None:
    async with calculating("sse") as calc:
        calc.server.answers["*"] = Response(events, media_type="text/event-stream")
        with pytest.raises(McpServerUnavailable, match=cause) as raised:
            await calc.add(1, 2)
    assert raised.value.kind == "wrong_protocol"
