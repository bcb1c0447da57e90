from __future__ import annotations

import httpx2
import pytest
from google.genai import Client
from google.genai.errors import ClientError
from google.genai.types import Content, FinishReason, GenerateContentResponse, HttpOptions, Part

from agentkit.testing import (
    ReceivedGeminiRequest,
    ScriptedGeminiServer,
    ServerFailure,
    ServerResponse,
    ServerToolCall,
    script_by_step,
)

RESPONSE = ServerResponse(
    thinking="Hmm.", text="abcdefgh", calls=(ServerToolCall(name="clock", arguments={"zone": "UTC"}),), usage=(7, 3, 2)
)


def _client(server: ScriptedGeminiServer, version: str = "v1beta") -> Client:
    return Client(api_key="k", vertexai=False, http_options=HttpOptions(base_url=server.url, api_version=version))


def _parts(*chunks: GenerateContentResponse) -> list[Part]:
    return [part for chunk in chunks for part in chunk.parts or ()]


async def test_the_official_sdk_reads_a_response_that_is_not_streamed() -> None:
    async with ScriptedGeminiServer([RESPONSE]) as server, _client(server).aio as client:
        response = await client.models.generate_content(model="m", contents="Hi")
    thought, text, call = _parts(response)
    assert (thought.text, thought.thought) == ("Hmm.", True)
    assert text.text == "abcdefgh"
    assert call.function_call is not None
    assert (call.function_call.name, call.function_call.args) == ("clock", {"zone": "UTC"})
    assert call.thought_signature == b"signature-0"
    usage = response.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (7, 2)
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (2, 1)


async def test_the_official_sdk_reads_a_stream_in_chunks() -> None:
    async with (
        ScriptedGeminiServer([ServerResponse(text="abcdefgh", chunk_chars=3)]) as server,
        _client(server, "v1").aio as client,
    ):
        stream = await client.models.generate_content_stream(model="m", contents="Hi")
        chunks = [chunk async for chunk in stream]
    assert [part.text for part in _parts(*chunks)] == ["abc", "def", "gh"]
    reasons = [candidate.finish_reason for chunk in chunks for candidate in chunk.candidates or ()]
    assert reasons == [None, None, FinishReason.STOP]
    (received,) = server.requests
    assert isinstance(received, ReceivedGeminiRequest)
    assert (received.version, received.model, received.last_text) == ("v1", "m", "Hi")


async def test_failures_have_the_format_of_the_real_api() -> None:
    failure = ServerFailure(status=429, message="Slow down", code="RATE_LIMIT_EXCEEDED")
    async with ScriptedGeminiServer([failure]) as server, _client(server).aio as client:
        with pytest.raises(ClientError) as caught:
            await client.models.generate_content(model="m", contents="Hi")
    assert (caught.value.code, caught.value.status, caught.value.message) == (429, "RESOURCE_EXHAUSTED", "Slow down")
    assert "RATE_LIMIT_EXCEEDED" in str(caught.value.details)


async def test_a_call_whose_arguments_are_not_an_object_is_malformed() -> None:
    malformed = ServerResponse(calls=(ServerToolCall(name="clock", arguments="no JSON"),))
    async with ScriptedGeminiServer([malformed]) as server, _client(server).aio as client:
        response = await client.models.generate_content(model="m", contents="Hi")
    assert response.candidates is not None
    assert response.candidates[0].finish_reason == FinishReason.MALFORMED_FUNCTION_CALL


async def test_a_script_by_step_follows_the_transcript() -> None:
    script = script_by_step([ServerResponse(text="first"), ServerResponse(text="second")])
    later = [
        Content(role="user", parts=[Part(text="Hi")]),
        Content(role="model", parts=[Part(text="first")]),
        Content(role="user", parts=[Part(text="Go on.")]),
    ]
    async with ScriptedGeminiServer(script) as server, _client(server).aio as client:
        responses = [
            await client.models.generate_content(model="m", contents=[*contents]) for contents in (later, later[:1])
        ]
    assert [response.text for response in responses] == ["second", "first"]


async def test_it_lists_a_model() -> None:
    async with ScriptedGeminiServer([]) as server, _client(server).aio as client:
        assert [model.name async for model in await client.models.list()] == ["models/scripted"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/v1beta/models/m:generateContent", {"contents": "Hi"}, 400, id="no list of contents"),
        pytest.param("/v2/models/m:generateContent", {"contents": []}, 404, id="another version"),
        pytest.param("/v1/models/m:embedContent", {"contents": []}, 404, id="another method"),
    ],
)
async def test_an_invalid_request_is_rejected_and_does_not_use_up_the_script(
    path: str, body: dict[str, object], status: int
) -> None:
    async with ScriptedGeminiServer([ServerResponse()]) as server, httpx2.AsyncClient(base_url=server.url) as client:
        response = await client.post(path, json=body)
    assert response.status_code == status
    assert response.json()["error"]["code"] == status
    assert server.request_count == 0
