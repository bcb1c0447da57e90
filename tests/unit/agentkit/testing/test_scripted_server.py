"""What every scripted server does, on one of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import httpx2
import pytest

from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerFailure, ServerResponse, ServerScriptEntry
from agentkit.testing.http_connection import HTTPRequest
from agentkit.testing.scripted_server import encode_event, read_body

BODY = {"messages": [{"role": "user", "content": "Hi"}]}
STREAMED = {**BODY, "stream": True}


@asynccontextmanager
async def _serving(
    script: Sequence[ServerScriptEntry],
) -> AsyncIterator[tuple[ScriptedOpenAIServer, httpx2.AsyncClient]]:
    async with (
        asyncio.timeout(10),
        ScriptedOpenAIServer(script) as server,
        httpx2.AsyncClient(base_url=server.url, headers={"X-Mark": "here"}) as client,
    ):
        yield server, client


async def test_responses_are_sent_in_order_and_one_request_too_many_fails_clearly() -> None:
    script: list[ServerScriptEntry] = [
        ServerFailure(status=429, message="Slow down", headers={"retry-after": "3"}),
        RawResponse(body="<p>", status=200),
    ]
    async with _serving(script) as (_, client):
        responses = [await client.post("/chat/completions", json=BODY) for _ in range(3)]
    assert [response.status_code for response in responses] == [429, 200, 400]
    assert responses[0].headers["retry-after"] == "3"
    assert responses[0].json()["error"]["message"] == "Slow down"
    assert responses[1].text == "<p>"
    assert responses[1].headers["content-type"] == "text/html"
    assert "no response number 2" in responses[2].json()["error"]["message"]


async def test_requests_are_kept_and_one_connection_serves_many() -> None:
    async with _serving([ServerResponse(text="a"), ServerResponse(text="b")]) as (server, client):
        for number in range(2):
            await client.post("/chat/completions", json={**STREAMED, "n": number})
        assert server.connection_count == 1
    assert [request.body["n"] for request in server.requests] == [0, 1]
    assert server.requests[0].headers["x-mark"] == "here"
    assert server.disconnect_count == 0


async def test_requests_are_counted_even_if_they_are_not_kept() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse()], keep_requests=False) as server,
        httpx2.AsyncClient(base_url=server.url) as client,
    ):
        await client.post("/chat/completions", json=BODY)
    assert server.requests == []
    assert server.request_count == 1


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        pytest.param(None, "[DONE]", id="none"),
        pytest.param("cut", '"content": "a"', id="cut"),
        pytest.param("error", "Scripted failure", id="error"),
        pytest.param("garbage", '{"choices": [{"del', id="garbage"),
    ],
)
async def test_a_fault_ends_the_stream_after_so_many_chunks(
    fault: Literal["cut", "error", "garbage"] | None, end: str
) -> None:
    async with _serving([ServerResponse(text="abc", chunk_chars=1, fault=fault)]) as (_, client):
        response = await client.post("/chat/completions", json=STREAMED)
    events = [event for event in response.text.split("\n\n") if event and event != "data: [DONE]"]
    assert end in (response.text if fault is None else events[-1])
    assert ('"content": "b"' in response.text) == (fault is None)


async def test_a_dropped_connection_is_an_error_of_the_client() -> None:
    async with _serving([ServerResponse(text="abc", fault="drop")]) as (_, client):
        with pytest.raises(httpx2.TransportError):
            await client.post("/chat/completions", json=STREAMED)


async def test_a_client_that_disconnects_during_a_stall_is_counted() -> None:
    async with _serving([ServerResponse(fault="stall")]) as (server, client):
        async with client.stream("POST", "/chat/completions", json=STREAMED):
            await server.wait_for_requests()
            assert server.disconnect_count == 0
        await server.wait_for_disconnects()


async def test_stopping_the_server_breaks_connections_that_still_wait() -> None:
    async with httpx2.AsyncClient() as client, asyncio.timeout(10):
        async with ScriptedOpenAIServer([ServerResponse(delay=600)]) as server:
            request = asyncio.create_task(client.post(f"{server.url}/chat/completions", json=BODY))
            await server.wait_for_requests()
        with pytest.raises(httpx2.TransportError):
            await request


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        pytest.param(ServerResponse(delay=0.1), 0.1, id="delay"),
        pytest.param(ServerResponse(text="abcd", chunk_chars=1, pause=0.02), 0.1, id="pause"),
    ],
)
async def test_delays_and_pauses_take_their_time(response: ServerResponse, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    async with _serving([response]) as (_, client):
        started = loop.time()
        await client.post("/chat/completions", json=STREAMED)
        assert loop.time() - started >= seconds * 0.99


def test_the_url_of_a_server_that_is_not_started_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = ScriptedOpenAIServer([]).url


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"messages": "Hi"}'])
def test_only_an_object_with_a_list_is_a_request_body(body: str) -> None:
    assert read_body(HTTPRequest("POST", "/", {}, body.encode()), "messages") is None
    assert read_body(HTTPRequest("POST", "/", {}, json.dumps(BODY).encode()), "messages") == BODY


def test_an_event_has_a_name_only_if_one_is_given() -> None:
    assert encode_event({"a": 1}) == b'data: {"a": 1}\n\n'
    assert encode_event({"a": 1}, "ping") == b'event: ping\ndata: {"a": 1}\n\n'
