from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelOutputInvalid
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.llm.anthropic.model import AnthropicModel
from agentkit.messages import TextPart, ThinkingPart, Usage, user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import (
    RawResponse,
    ScriptedAnthropicServer,
    ServerFailure,
    ServerResponse,
    ServerScriptEntry,
    ServerToolCall,
)

GITHUB = ToolSpec(name="mcp:github/create_issue", description="Creates an issue.", parameters={"type": "object"})
REQUEST = ModelRequest(model="anthropic:claude-sonnet-5", system="", messages=(user_message("Hi"),))
KEY = "sk-ant-0123456789abcdef"


@asynccontextmanager
async def _serving(*answers: ServerScriptEntry) -> AsyncIterator[tuple[AnthropicModel, ScriptedAnthropicServer]]:
    async with (
        ScriptedAnthropicServer(answers) as server,
        aclosing(AnthropicModel(api_key=KEY, base_url=server.url)) as model,
    ):
        yield model, server


async def _ask(answer: ServerScriptEntry, request: ModelRequest = REQUEST) -> ModelResponse:
    async with _serving(answer) as (model, _):
        return await model.respond(request)


def _stream(*events: Mapping[str, object]) -> RawResponse:
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return RawResponse(body=body, content_type="text/event-stream")


async def test_it_streams_and_sends_the_key_as_old_and_new_servers_want_it() -> None:
    request = replace(REQUEST, settings=ModelSettings(extra_headers={"X-Route": "eu"}))
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(request)
        received = server.requests[0]
    assert received.body["model"] == "claude-sonnet-5"
    assert received.body["stream"] is True
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["x-api-key"] == KEY
    assert received.headers["x-route"] == "eu"


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_an_address_may_end_in_the_version_or_not(suffix: str) -> None:
    async with (
        ScriptedAnthropicServer([ServerResponse(text="ok")]) as server,
        aclosing(AnthropicModel(base_url=server.url + suffix)) as model,
    ):
        assert (await model.respond(REQUEST)).message.text == "ok"


async def test_usage_counts_what_was_cached_as_part_of_the_prompt() -> None:
    begun = {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 80, "output_tokens": 1}
    response = await _ask(
        _stream(
            {"type": "message_start", "message": {"content": [], "stop_reason": None, "usage": begun}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "ok"}},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 15}},
            },
        )
    )
    assert response.usage == Usage(
        input_tokens=95,
        output_tokens=20,
        reasoning_tokens=15,
        cached_tokens=80,
        cache_write_tokens=5,
        model_calls=1,
    )


async def test_usage_is_estimated_where_the_server_counts_nothing() -> None:
    response = await _ask(ServerResponse(text="x" * 400, send_usage=False))
    assert response.usage == Usage(input_tokens=1, output_tokens=100, model_calls=1)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(ServerResponse(text="ok"), "end", id="end_turn"),
        pytest.param(ServerResponse(text="ok", finish_reason="stop_sequence"), "end", id="stop_sequence"),
        pytest.param(ServerResponse(text="ok", finish_reason="unheard_of"), "end", id="a reason unheard of"),
        pytest.param(ServerResponse(calls=(ServerToolCall(name="clock"),)), "tool_calls", id="tool_use"),
        pytest.param(ServerResponse(text="so far", finish_reason="length"), "length", id="max_tokens"),
        pytest.param(ServerResponse(text="so far", finish_reason="pause_turn"), "length", id="pause_turn"),
        pytest.param(
            ServerResponse(text="so far", finish_reason="model_context_window_exceeded"), "length", id="window"
        ),
        pytest.param(ServerResponse(refusal="I won't."), "refusal", id="refusal"),
    ],
)
async def test_stop_reasons_become_ours(reply: ServerResponse, expected: str) -> None:
    assert (await _ask(reply)).stop_reason == expected


async def test_a_refusal_that_leaves_nothing_gives_its_reason() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "This could do harm."}
    answer = _stream(
        {"type": "message_start", "message": {"content": []}},
        {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}},
    )
    with pytest.raises(ContentRefused, match="refused to answer: This could do harm"):
        await _ask(answer)


async def test_tools_are_called_under_their_own_names() -> None:
    request = replace(REQUEST, tools=(GITHUB,))
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(request)
        (tool,) = server.requests[0].body["tools"]
    assert tool["name"].startswith("mcp_github_create_issue_")
    response = await _ask(
        ServerResponse(calls=(ServerToolCall(name=tool["name"]), ServerToolCall(name="unheard_of"))), request
    )
    assert [call.name for call in response.message.tool_calls] == [GITHUB.name, "unheard_of"]


async def test_thoughts_come_back_signed_and_redacted_ones_as_they_are() -> None:
    response = await _ask(
        _stream(
            {"type": "message_start", "message": {"content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hmm."}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "xyz"}},
            {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": "Noon."}},
            {"type": "content_block_start", "index": 3, "content_block": {"type": "unheard_of", "text": None}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        )
    )
    assert response.message.parts == (
        ThinkingPart(text="Hmm.", signature="sig", provider="anthropic"),
        ThinkingPart(text="", provider="anthropic", data={"redacted": "xyz"}),
        TextPart(text="Noon."),
    )


async def test_a_thought_that_came_goes_back_in_the_next_request() -> None:
    async with _serving(
        ServerResponse(thinking="Hmm.", calls=(ServerToolCall(name="clock"),)), ServerResponse(text="ok")
    ) as (model, server):
        response = await model.respond(REQUEST)
        await model.respond(replace(REQUEST, messages=(*REQUEST.messages, response.message)))
        _, answer = server.requests[1].messages
    assert answer["content"][0] == {"type": "thinking", "thinking": "Hmm.", "signature": "signature-0"}


OPEN: dict[str, JsonValue] = {"type": "object"}
LIST: dict[str, JsonValue] = {"type": "array", "items": {"$ref": "#/$defs/any"}, "$defs": {"any": {}}}


@pytest.mark.parametrize(
    ("schema", "arguments", "text"),
    [
        pytest.param(OPEN, {"degrees": 21}, '{"degrees": 21}', id="an open object"),
        pytest.param(LIST, {"output": [1, 2]}, "[1, 2]", id="a list, wrapped"),
        pytest.param(OPEN, "no JSON", "no JSON", id="malformed"),
    ],
)
async def test_a_schema_that_text_cannot_be_held_to_is_a_tool_and_its_call_is_text(
    schema: dict[str, JsonValue], arguments: dict[str, JsonValue] | str, text: str
) -> None:
    request = replace(REQUEST, model="anthropic:claude-haiku-4-5", output_schema=schema)
    deltas: list[ModelDelta] = []
    async with _serving(ServerResponse(calls=(ServerToolCall(name="give_final_output", arguments=arguments),))) as (
        model,
        server,
    ):
        response = await model.respond(request, deltas.append)
        sent = server.requests[0].body
    assert [tool["input_schema"]["type"] for tool in sent["tools"]] == ["object"]
    assert sent["tool_choice"] == {"type": "tool", "name": "give_final_output"}
    assert response.message.parts == (TextPart(text=text),)
    assert response.stop_reason == "end"
    assert deltas == [ModelDelta("text", text)]


async def test_beside_other_tools_one_of_them_must_be_called_and_none_where_that_is_refused() -> None:
    old = replace(REQUEST, model="anthropic:claude-haiku-4-5", output_schema=OPEN, tools=(GITHUB,))
    async with _serving(ServerResponse(text="{}"), ServerResponse(text="{}")) as (model, server):
        await model.respond(old)
        await model.respond(replace(old, model="anthropic:claude-opus-5-5"))
        first, second = server.requests
    assert first.body["tool_choice"] == {"type": "any"}
    assert "tool_choice" not in second.body
    assert len(second.body["tools"]) == 2


async def test_a_server_that_does_not_stream_is_understood() -> None:
    content = [{"type": "text", "text": "Noon."}, {"type": "tool_use", "id": "a", "name": "clock", "input": {"b": 1}}]
    body = {"type": "message", "content": content, "stop_reason": "tool_use", "usage": {"input_tokens": 3}}
    response = await _ask(RawResponse(body=json.dumps(body), content_type="application/json"))
    assert response.message.text == "Noon."
    assert response.message.tool_calls[0].arguments == {"b": 1}
    assert response.stop_reason == "tool_calls"
    assert response.usage.input_tokens == 3


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
        ScriptedAnthropicServer([ServerResponse(text="ok"), limited]) as server,
        aclosing(AnthropicModel(base_url=server.url, on_headers=lambda model, headers: heard.append(
            (model, headers.get("retry-after"))
        ))) as model,
    ):  # fmt: skip
        await model.respond(REQUEST)
        with pytest.raises(Exception, match="Scripted failure"):
            await model.respond(REQUEST)
    assert heard == [(REQUEST.model, None), (REQUEST.model, "3")]


async def test_the_key_never_shows() -> None:
    model = AnthropicModel(api_key="sk-ant-secret-secret", base_url="http://ada:pass@127.0.0.1:1/v1")
    assert "secret" not in repr(model)
    assert "pass" not in repr(model)
    assert "secret" not in repr(vars(model))
    await model.aclose()
