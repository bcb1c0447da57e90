from __future__ import annotations

import httpx2
import pytest
from openai import AsyncOpenAI

from agentkit.testing import ScriptedOpenAIServer, ServerFailure, ServerResponse


async def test_it_lists_a_model() -> None:
    async with ScriptedOpenAIServer([]) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        assert [model.id async for model in client.models.list()] == ["scripted"]


async def test_failures_have_the_format_of_the_real_api() -> None:
    failure = ServerFailure(status=429, message="Slow down", code="rate_limit_exceeded")
    async with ScriptedOpenAIServer([failure]) as server, httpx2.AsyncClient(base_url=server.url) as client:
        response = await client.post("/chat/completions", json={"messages": []})
    assert response.status_code == 429
    assert response.json() == {
        "error": {"message": "Slow down", "type": None, "param": None, "code": "rate_limit_exceeded"}
    }


@pytest.mark.parametrize(
    ("path", "body", "streamed_object", "plain_object"),
    [
        pytest.param("/chat/completions", {"messages": []}, "chat.completion.chunk", "chat.completion", id="chat"),
        pytest.param("/responses", {"input": []}, "response", "response", id="responses"),
    ],
)
async def test_each_api_gets_a_response_in_its_own_format(
    path: str, body: dict[str, object], streamed_object: str, plain_object: str
) -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="Noon.")] * 2) as server,
        httpx2.AsyncClient(base_url=server.url) as client,
    ):
        streamed = await client.post(path, json={**body, "stream": True})
        plain = await client.post(path, json=body)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert f'"object": "{streamed_object}"' in streamed.text
    assert plain.json()["object"] == plain_object


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", "/chat/completions", b"{", 400, id="no JSON"),
        pytest.param("POST", "/chat/completions", b'{"model": "m"}', 400, id="no messages"),
        pytest.param("POST", "/responses", b'{"messages": []}', 400, id="no input"),
        pytest.param("GET", "/embeddings", b"", 404, id="another path"),
    ],
)
async def test_an_invalid_request_is_rejected_and_does_not_use_up_the_script(
    method: str, path: str, body: bytes, status: int
) -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse()]) as server,
        httpx2.AsyncClient(base_url=server.url) as client,
    ):
        response = await client.request(method, path, content=body)
    assert response.status_code == status
    assert server.request_count == 0
