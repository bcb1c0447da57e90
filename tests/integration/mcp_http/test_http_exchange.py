"""What is wrong with a server over HTTP, apart from each other: unreachable, not authorised, not MCP."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED
from starlette.responses import HTMLResponse, JSONResponse, Response

from agentkit.errors import McpServerUnavailable
from agentkit.mcp.http.http_sessions import HttpSessions
from tests.integration.mcp_http.calculators import calculating, http_settings
from tests.reserved_ports import refusing_port

KINDS = ["auto", "modern", "legacy"]
ANSWERS: dict[str, tuple[Response, str, str]] = {
    "401": (
        Response(status_code=401),
        "not_authorized",
        "HTTP 401 Unauthorized. Set headers (Authorization), or oauth",
    ),
    "403": (Response(status_code=403), "not_authorized", "HTTP 403 Forbidden"),
    "404": (Response(status_code=404), "wrong_protocol", "the URL answers with HTTP 404 Not Found"),
    "429": (Response(status_code=429), "unreachable", "HTTP 429 Too Many Requests"),
    "500": (Response(status_code=500), "unreachable", "the server answers with HTTP 500 Internal Server Error"),
    "503": (Response(status_code=503), "unreachable", "HTTP 503 Service Unavailable"),
    "html": (HTMLResponse("<html>Welcome</html>"), "wrong_protocol", "the URL answers with text/html, not with MCP"),
    "other json": (JSONResponse({"status": "ok"}), "wrong_protocol", "the URL answers with JSON that is no MCP"),
    "garbage": (Response(b"\xff\x00", media_type="application/json"), "wrong_protocol", "JSON that is no MCP"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_server_that_answers_wrongly_at_the_start_is_named_with_the_cause(answer: str, kind: str) -> None:
    response, problem, cause = ANSWERS[answer]
    async with calculating(kind) as calc:
        calc.server.answers["*"] = response
        with pytest.raises(McpServerUnavailable) as raised:
            await calc.add(1, 2)
        assert calc.calls == []
    assert str(raised.value).startswith("MCP server calc (connect): ")
    assert cause in str(raised.value)
    assert (raised.value.server, raised.value.kind) == ("calc", problem)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", ["401", "404", "429", "503"])
async def test_a_call_that_was_refused_was_surely_not_made(answer: str, kind: str) -> None:
    async with calculating(kind) as calc:
        await calc.add(1, 2)
        calc.server.answers["tools/call"] = ANSWERS[answer][0]
        with pytest.raises(McpServerUnavailable, match=r"^MCP server calc \(request\): "):
            await calc.add(1, 2)
        calc.server.answers.clear()
        assert await calc.add(3, 4) == 7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", ["500", "html", "other json"])
async def test_of_a_call_with_another_answer_it_is_not_known_whether_it_was_made(answer: str, kind: str) -> None:
    async with calculating(kind) as calc:
        await calc.add(1, 2)
        calc.server.answers["tools/call"] = ANSWERS[answer][0]
        with pytest.raises(MCPError) as raised:
            await calc.add(1, 2)
        assert raised.value.code == CONNECTION_CLOSED
        calc.server.answers.clear()
        assert await calc.add(3, 4) == 7


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_of_the_server_is_passed_on_with_its_code(kind: str) -> None:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32602, "message": "no such argument"}}
    async with calculating(kind) as calc:
        await calc.add(1, 2)
        calc.server.answers["tools/call"] = JSONResponse(error, status_code=400)
        with pytest.raises(MCPError, match="no such argument") as raised:
            await calc.add(1, 2)
    assert raised.value.code == -32602


@pytest.mark.parametrize("kind", [*KINDS, "sse"])
async def test_a_port_that_nobody_listens_on_is_unreachable(kind: str) -> None:
    with refusing_port() as port:
        sessions = HttpSessions("calc", http_settings(f"http://user:password@127.0.0.1:{port}/mcp?key=k", kind))
        with pytest.raises(McpServerUnavailable) as raised:
            async with sessions.session():
                pass
        await sessions.aclose()
    assert str(raised.value).startswith(f"MCP server calc (connect): no connection to http://127.0.0.1:{port}: ")
    assert raised.value.kind == "unreachable"


async def test_secrets_in_the_url_and_in_headers_are_not_named() -> None:
    async with calculating("modern") as calc:
        secret: dict[str, Any] = {"url": f"{calc.server.url}?key=hidden", "headers": {"Authorization": "Bearer hidden"}}
        sessions = HttpSessions("calc", http_settings(calc.server.url).model_validate(secret))
        calc.server.refuse("*", status=500)
        with pytest.raises(McpServerUnavailable) as raised:
            async with sessions.session():
                pass
        await sessions.aclose()
    assert "hidden" not in f"{raised.value!r} {sessions!r}"
