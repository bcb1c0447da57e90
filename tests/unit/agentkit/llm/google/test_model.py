from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelOutputInvalid, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.llm.google.model import GoogleModel
from agentkit.messages import TextPart, ThinkingPart, Usage, user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import (
    RawResponse,
    ReceivedGeminiRequest,
    ScriptedGeminiServer,
    ServerFailure,
    ServerResponse,
    ServerScriptEntry,
    ServerToolCall,
)

GITHUB = ToolSpec(name="mcp:github/create_issue", description="Creates an issue.", parameters={"type": "object"})
REQUEST = ModelRequest(model="google:gemini-3.8-flash", system="", messages=(user_message("Hi"),))
KEY = "AIzaSy0123456789abcdef"


@asynccontextmanager
async def _serving(*answers: ServerScriptEntry) -> AsyncIterator[tuple[GoogleModel, ScriptedGeminiServer]]:
    async with (
        ScriptedGeminiServer(answers) as server,
        aclosing(GoogleModel(api_key=KEY, base_url=server.url)) as model,
    ):
        yield model, server


async def _ask(answer: ServerScriptEntry, request: ModelRequest = REQUEST) -> ModelResponse:
    async with _serving(answer) as (model, _):
        return await model.respond(request)


def _stream(*parts: JsonValue, finish: str = "STOP") -> RawResponse:
    frames: list[dict[str, JsonValue]] = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
    frames.append({"candidates": [{"finishReason": finish}]})
    return RawResponse(
        body="".join(f"data: {json.dumps(frame)}\r\n\r\n" for frame in frames), content_type="text/event-stream"
    )


async def test_it_streams_and_sends_the_key() -> None:
    request = replace(REQUEST, system="Be brief.", settings=ModelSettings(extra_headers={"X-Route": "eu"}))
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(request)
        (received,) = server.requests
    assert isinstance(received, ReceivedGeminiRequest)
    assert (received.version, received.model) == ("v1beta", "gemini-3.8-flash")
    assert received.headers["x-goog-api-key"] == KEY
    assert received.headers["x-route"] == "eu"
    assert received.body == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {},
    }


@pytest.mark.parametrize(
    ("suffix", "version"), [("", "v1beta"), ("/", "v1beta"), ("/v1", "v1"), ("/v1/", "v1"), ("/v1beta", "v1beta")]
)
async def test_an_address_may_end_in_the_version_to_speak(suffix: str, version: str) -> None:
    async with (
        ScriptedGeminiServer([ServerResponse(text="ok")]) as server,
        aclosing(GoogleModel(base_url=server.url + suffix)) as model,
    ):
        await model.respond(REQUEST)
        (received,) = server.requests
    assert isinstance(received, ReceivedGeminiRequest)
    assert received.version == version


async def test_usage_counts_thoughts_as_part_of_the_answer() -> None:
    counts = {
        "promptTokenCount": 90,
        "toolUsePromptTokenCount": 10,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 15,
        "cachedContentTokenCount": 64,
    }
    frame = {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}], "usageMetadata": counts}
    response = await _ask(RawResponse(body=f"data: {json.dumps(frame)}\n\n", content_type="text/event-stream"))
    assert response.usage == Usage(
        input_tokens=100, output_tokens=35, reasoning_tokens=15, cached_tokens=64, model_calls=1
    )


async def test_usage_is_estimated_where_the_server_counts_nothing() -> None:
    response = await _ask(ServerResponse(text="x" * 400, send_usage=False))
    assert response.usage == Usage(input_tokens=1, output_tokens=100, model_calls=1)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(ServerResponse(text="ok"), "end", id="STOP"),
        pytest.param(ServerResponse(text="ok", finish_reason="OTHER"), "end", id="OTHER"),
        pytest.param(ServerResponse(calls=(ServerToolCall(name="clock"),)), "tool_calls", id="STOP with calls"),
        pytest.param(ServerResponse(text="so far", finish_reason="length"), "length", id="MAX_TOKENS"),
        pytest.param(ServerResponse(text="so far", finish_reason="SAFETY"), "refusal", id="SAFETY"),
        pytest.param(ServerResponse(text="so far", finish_reason="RECITATION"), "refusal", id="RECITATION"),
    ],
)
async def test_finish_reasons_become_ours(reply: ServerResponse, expected: str) -> None:
    assert (await _ask(reply)).stop_reason == expected


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        pytest.param("SAFETY", ContentRefused, id="SAFETY"),
        pytest.param("PROHIBITED_CONTENT", ContentRefused, id="PROHIBITED_CONTENT"),
        pytest.param("BLOCKLIST", ContentRefused, id="BLOCKLIST"),
        pytest.param("SPII", ContentRefused, id="SPII"),
        pytest.param("MALFORMED_FUNCTION_CALL", ModelUnavailable, id="MALFORMED_FUNCTION_CALL"),
        pytest.param("UNEXPECTED_TOOL_CALL", ModelUnavailable, id="UNEXPECTED_TOOL_CALL"),
        pytest.param("OTHER", ModelUnavailable, id="OTHER"),
        pytest.param("MISSING_THOUGHT_SIGNATURE", ModelRequestRejected, id="MISSING_THOUGHT_SIGNATURE"),
    ],
)
async def test_an_end_that_leaves_nothing_is_an_error(finish: str, expected: type[Exception]) -> None:
    with pytest.raises(expected, match=finish) as caught:
        await _ask(ServerResponse(finish_reason=finish))
    assert type(caught.value) is expected


async def test_a_blocked_prompt_is_a_refusal() -> None:
    body = 'data: {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}\n\n'
    with pytest.raises(ContentRefused, match=r"blocked the prompt.*PROHIBITED_CONTENT"):
        await _ask(RawResponse(body=body, content_type="text/event-stream"))


async def test_tools_are_called_under_their_own_names() -> None:
    request = replace(REQUEST, tools=(GITHUB,))
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(request)
        (declared,) = server.requests[0].body["tools"][0]["functionDeclarations"]
    response = await _ask(
        ServerResponse(calls=(ServerToolCall(name=declared["name"]), ServerToolCall(name="unheard_of"))), request
    )
    assert [call.name for call in response.message.tool_calls] == [GITHUB.name, "unheard_of"]


async def test_ids_that_the_server_leaves_out_stay_empty() -> None:
    response = await _ask(ServerResponse(calls=(ServerToolCall(name="a", id=""), ServerToolCall(name="b", id=""))))
    assert [(call.id, call.name) for call in response.message.tool_calls] == [("", "a"), ("", "b")]


SIGNED: dict[str, JsonValue] = {"thoughtSignature": "c2ln"}
FIRST: dict[str, JsonValue] = {"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}}
SECOND: dict[str, JsonValue] = {"functionCall": {"id": "y", "name": "f", "args": {}}}
ANSWERS = [
    pytest.param([{"text": "a"}, {"text": "b"}], id="text in pieces"),
    pytest.param([{"text": "a"}, {"text": "b", **SIGNED}], id="the last text signed"),
    pytest.param([{"text": "a"}, {"text": "", **SIGNED}], id="signed at the end"),
    pytest.param([{"text": "Hmm.", "thought": True, **SIGNED}, {"text": "a"}], id="a signed thought"),
    pytest.param([FIRST | SIGNED, SECOND], id="parallel calls, the first signed"),
    pytest.param([{"text": "a"}, SECOND | SIGNED], id="text, then a signed call"),
]


@pytest.mark.parametrize("parts", ANSWERS)
async def test_what_came_goes_back_with_each_signature_on_its_part(parts: list[JsonValue]) -> None:
    async with _serving(_stream(*parts), ServerResponse(text="ok")) as (model, server):
        response = await model.respond(REQUEST)
        await model.respond(replace(REQUEST, messages=(*REQUEST.messages, response.message)))
        _, answer = server.requests[1].messages
    whole = [{"text": "ab"}] if parts == [{"text": "a"}, {"text": "b"}] else parts
    assert answer == {"role": "model", "parts": whole}


async def test_thinking_is_streamed_and_kept_apart_from_the_text() -> None:
    deltas: list[ModelDelta] = []
    async with _serving(ServerResponse(thinking="Hmm.", text="Noon.")) as (model, _):
        response = await model.respond(REQUEST, deltas.append)
    assert response.message.parts == (ThinkingPart(text="Hmm.", provider="google"), TextPart(text="Noon."))
    assert deltas == [ModelDelta("thinking", "Hmm."), ModelDelta("text", "Noon.")]


async def test_the_call_that_stands_for_the_answer_is_text() -> None:
    schema: dict[str, JsonValue] = {"type": "array", "items": {"type": "integer"}}
    request = replace(REQUEST, model="google:gemini-2.5-flash", tools=(GITHUB,), output_schema=schema)
    deltas: list[ModelDelta] = []
    call = ServerToolCall(name="give_final_output", arguments={"output": [1, 2]})
    async with _serving(ServerResponse(calls=(call,))) as (model, _):
        response = await model.respond(request, deltas.append)
    assert response.message.parts == (TextPart(text="[1, 2]"),)
    assert response.stop_reason == "end"
    assert deltas == [ModelDelta("text", "[1, 2]")]


async def test_a_server_that_does_not_stream_is_understood() -> None:
    body = {"candidates": [{"content": {"parts": [{"text": "Noon."}]}, "finishReason": "STOP"}]}
    response = await _ask(RawResponse(body=json.dumps(body, indent=1), content_type="application/json"))
    assert response.message.text == "Noon."


async def test_an_answer_without_end_is_cut_off() -> None:
    with pytest.raises(ModelOutputInvalid, match="more than 1,048,576 characters"):
        await _ask(ServerResponse(text="x" * 1_100_000, chunk_chars=50_000))


async def test_the_connection_is_used_again() -> None:
    async with _serving(ServerResponse(text="one"), ServerResponse(text="two")) as (model, server):
        await model.respond(REQUEST)
        await model.respond(REQUEST)
        assert (server.request_count, server.connection_count) == (2, 1)


async def test_the_headers_of_every_answer_are_told() -> None:
    heard: list[tuple[str, str | None]] = []
    limited = ServerFailure(status=429, headers={"retry-after": "3"})
    async with (
        ScriptedGeminiServer([ServerResponse(text="ok"), limited]) as server,
        aclosing(GoogleModel(base_url=server.url, on_headers=lambda model, headers: heard.append(
            (model, headers.get("retry-after"))
        ))) as model,
    ):  # fmt: skip
        await model.respond(REQUEST)
        with pytest.raises(ModelUnavailable):
            await model.respond(REQUEST)
    assert heard == [(REQUEST.model, None), (REQUEST.model, "3")]


async def test_the_key_never_shows() -> None:
    model = GoogleModel(api_key="AIza-secret-secret", base_url="http://ada:pass@127.0.0.1:1/v1")
    assert "secret" not in repr(model)
    assert "pass" not in repr(model)
    assert "secret" not in repr(vars(model))
    await model.aclose()
