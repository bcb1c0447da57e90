from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, Literal

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelOutputInvalid
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.llm import OpenAIModel
from agentkit.messages import ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, Usage, user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerResponse, ServerScriptEntry, ServerToolCall

GITHUB = ToolSpec(name="mcp:github/create_issue", description="Creates an issue.", parameters={"type": "object"})
CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})


def _request(*messages: Message, system: str = "", tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    return ModelRequest(
        model="openai:gpt-5-mini", system=system, messages=messages or (user_message("Hi"),), tools=tools
    )


@asynccontextmanager
async def _serving(*answers: ServerScriptEntry) -> AsyncIterator[tuple[OpenAIModel, ScriptedOpenAIServer]]:
    async with (
        ScriptedOpenAIServer(answers) as server,
        aclosing(OpenAIModel(api_key="sk-test-key", base_url=server.url)) as model,
    ):
        yield model, server


async def _ask(answer: ServerScriptEntry, request: ModelRequest | None = None) -> ModelResponse:
    async with _serving(answer) as (model, _):
        return await model.respond(request or _request())


async def _sent(request: ModelRequest) -> dict[str, Any]:
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(request)
        return dict(server.requests[0].body)


async def test_it_streams_asks_for_usage_and_sends_the_key() -> None:
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(_request())
        received = server.requests[0]
    assert received.body["model"] == "gpt-5-mini"
    assert received.body["stream"] is True
    assert received.body["stream_options"] == {"include_usage": True}
    assert received.headers["authorization"] == "Bearer sk-test-key"
    assert "tools" not in received.body


async def test_a_whole_transcript_is_written_in_openais_words() -> None:
    transcript = (
        user_message("What time is it?"),
        Message(
            role="assistant",
            parts=(
                ThinkingPart(text="I need a clock."),
                TextPart(text="Let me see."),
                ToolCall(id="a", name="clock", arguments={"zone": "Zürich"}),
                ToolCall(id="b", name="clock", malformed="{nope"),
            ),
        ),
        Message(
            role="tool",
            parts=(
                ToolResult(call_id="a", name="clock", content="noon"),
                ToolResult(call_id="b", name="clock", content="The arguments are no JSON object.", is_error=True),
            ),
        ),
    )
    sent = await _sent(_request(*transcript, system="Be brief."))
    calls = [
        {"id": "a", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "Zürich"}'}},
        {"id": "b", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
    ]
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "noon"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: The arguments are no JSON object."},
    ]


async def test_images_are_sent_by_url_or_as_data() -> None:
    parts = (
        TextPart(text="Compare."),
        ImagePart(url="https://example.org/a.png"),
        ImagePart(data=b"aGk=", media_type="image/png"),
    )
    sent = await _sent(_request(user_message(parts)))
    content = [
        {"type": "text", "text": "Compare."},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
    ]
    assert sent["messages"] == [{"role": "user", "content": content}]


async def test_tools_are_sent_under_names_that_openai_allows_and_called_under_their_own() -> None:
    request = _request(tools=(CLOCK, GITHUB))
    first, second = (await _sent(request))["tools"]
    assert first["function"] == {"name": "clock", "description": "Tells the time.", "parameters": CLOCK.parameters}
    adapted = second["function"]["name"]
    assert adapted.startswith("mcp_github_create_issue_")
    response = await _ask(
        ServerResponse(calls=(ServerToolCall(name=adapted), ServerToolCall(name="unheard_of"))), request
    )
    assert [call.name for call in response.message.tool_calls] == [GITHUB.name, "unheard_of"]


async def test_settings_and_schema_are_sent_only_where_they_are_set() -> None:
    schema: dict[str, JsonValue] = {"type": "object"}
    settings = ModelSettings(temperature=0, max_output_tokens=50, seed=7, extra_headers={"X-Route": "eu"})
    request = replace(_request(), model="openai:gpt-4.1", settings=settings, output_schema=schema)
    async with _serving(ServerResponse(text="{}"), ServerResponse(text="ok")) as (model, server):
        await model.respond(request)
        await model.respond(_request())
    received, plain = server.requests
    assert set(received.body) - set(plain.body) == {"temperature", "max_completion_tokens", "seed", "response_format"}
    assert received.body["temperature"] == 0
    assert received.body["max_completion_tokens"] == 50
    wanted = {"name": "output", "schema": schema, "strict": False}
    assert received.body["response_format"] == {"type": "json_schema", "json_schema": wanted}
    assert received.headers["x-route"] == "eu"


async def test_a_schema_of_no_object_is_told_in_words_where_openai_refuses_it_and_as_it_is_elsewhere() -> None:
    request = replace(_request(), output_schema={"type": "array"})
    async with ScriptedOpenAIServer([ServerResponse(text="[]"), ServerResponse(text="[]")]) as server:
        for provider in ("openai", "openai-compatible"):
            async with aclosing(OpenAIModel(base_url=server.url, provider=provider)) as model:
                await model.respond(request)
    ours, other = server.requests
    told = 'and nothing else: {"type": "array"}'
    assert "response_format" not in ours.body
    assert ours.body["messages"][0]["content"].endswith(told)
    assert other.body["response_format"]["json_schema"]["schema"] == {"type": "array"}
    assert told not in str(other.body["messages"])


async def test_other_servers_are_told_the_output_limit_by_its_old_name() -> None:
    request = replace(_request(), settings=ModelSettings(max_output_tokens=50))
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok")]) as server,
        aclosing(OpenAIModel(base_url=server.url, provider="openai-compatible")) as model,
    ):
        await model.respond(request)
    assert server.requests[0].body["max_tokens"] == 50


async def test_usage_is_what_the_provider_counted() -> None:
    response = await _ask(ServerResponse(text="ok", usage=(100, 20, 64)))
    assert response.usage == Usage(input_tokens=100, output_tokens=20, cached_tokens=64, model_calls=1)


async def test_usage_is_estimated_where_the_provider_counts_nothing() -> None:
    response = await _ask(ServerResponse(text="x" * 400, send_usage=False), _request(user_message("y" * 200)))
    assert response.usage == Usage(input_tokens=50, output_tokens=100, model_calls=1)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(ServerResponse(text="ok"), "end", id="stop"),
        pytest.param(ServerResponse(text="ok", finish_reason="eos"), "end", id="a reason unheard of"),
        pytest.param(ServerResponse(calls=(ServerToolCall(name="clock"),)), "tool_calls", id="tool_calls"),
        pytest.param(
            ServerResponse(calls=(ServerToolCall(name="clock"),), finish_reason="stop"),
            "tool_calls",
            id="stop with calls",
        ),
        pytest.param(ServerResponse(text="so far", finish_reason="length"), "length", id="length"),
        pytest.param(ServerResponse(text="so far", finish_reason="content_filter"), "refusal", id="content_filter"),
        pytest.param(ServerResponse(refusal="I won't."), "refusal", id="refusal"),
    ],
)
async def test_finish_reasons_become_ours(reply: ServerResponse, expected: str) -> None:
    assert (await _ask(reply)).stop_reason == expected


async def test_a_filter_that_leaves_nothing_is_a_refusal_and_no_answer() -> None:
    with pytest.raises(ContentRefused, match="content filter"):
        await _ask(ServerResponse(finish_reason="content_filter"))


async def test_thinking_is_streamed_and_kept_apart_from_the_text() -> None:
    deltas: list[ModelDelta] = []
    async with _serving(ServerResponse(thinking="Hmm.", text="Noon.")) as (model, _):
        response = await model.respond(_request(), deltas.append)
    assert response.message.parts == (ThinkingPart(text="Hmm.", provider="openai"), TextPart(text="Noon."))
    assert deltas == [ModelDelta("thinking", "Hmm."), ModelDelta("text", "Noon.")]


async def test_an_answer_of_nothing_is_left_to_the_planner() -> None:
    response = await _ask(ServerResponse(text=""))
    assert response.message.parts == ()
    assert response.stop_reason == "end"


async def test_ids_that_the_server_leaves_out_stay_empty() -> None:
    response = await _ask(ServerResponse(calls=(ServerToolCall(name="a", id=""), ServerToolCall(name="b", id=""))))
    assert [(call.id, call.name) for call in response.message.tool_calls] == [("", "a"), ("", "b")]


def _event(delta: str, finish: str = "null") -> str:
    return f'data: {{"choices": [{{"index": 0, "delta": {delta}, "finish_reason": {finish}}}]}}\n\n'


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param(
            (
                '{"tool_calls": [{"index": 0, "id": "1", "function": {"name": "a", "arguments": "{}"}}]}',
                '{"tool_calls": [{"index": 0, "id": "2", "function": {"name": "b", "arguments": "{}"}}]}',
            ),
            id="one index for all, told apart by id",
        ),
        pytest.param(
            (
                '{"tool_calls": [{"id": "1", "function": {"name": "a", "arguments": "{"}}]}',
                '{"tool_calls": [{"function": {"arguments": "}"}}]}',
                '{"tool_calls": [{"id": "2", "function": {"name": "b", "arguments": "{}"}}]}',
            ),
            id="no index",
        ),
        pytest.param(
            ('{"tool_calls": [{"index": 0, "id": "1", "function": {"name": "a", "arguments": {}}},'
             ' {"index": 1, "id": "2", "function": {"name": "b", "arguments": {}}}]}',),
            id="arguments as an object",
        ),
    ],
)  # fmt: skip
async def test_tool_calls_are_told_apart_however_the_server_streams_them(deltas: tuple[str, ...]) -> None:
    body = "".join(_event(delta) for delta in deltas) + _event("{}", '"tool_calls"') + "data: [DONE]\n\n"
    response = await _ask(RawResponse(body=body, content_type="text/event-stream"))
    calls = [(call.id, call.name, call.malformed) for call in response.message.tool_calls]
    assert calls == [("1", "a", None), ("2", "b", None)]


async def test_a_server_that_does_not_stream_is_understood() -> None:
    body = """{"choices": [{"message": {"role": "assistant", "content": "Noon."}, "finish_reason": "stop"}],
               "usage": {"prompt_tokens": 3, "completion_tokens": 2,
                         "completion_tokens_details": {"reasoning_tokens": 1}}}"""
    deltas: list[ModelDelta] = []
    async with _serving(RawResponse(body=body, content_type="application/json")) as (model, _):
        response = await model.respond(_request(), deltas.append)
    assert response.message.text == "Noon."
    assert response.usage == Usage(input_tokens=3, output_tokens=2, reasoning_tokens=1, model_calls=1)
    assert deltas == [ModelDelta("text", "Noon.")]


async def test_an_answer_without_end_is_cut_off() -> None:
    with pytest.raises(ModelOutputInvalid, match="more than 1,048,576 characters"):
        await _ask(ServerResponse(text="x" * 1_100_000, chunk_chars=50_000))


async def test_the_connection_is_used_again() -> None:
    async with _serving(ServerResponse(text="one"), ServerResponse(text="two")) as (model, server):
        await model.respond(_request())
        await model.respond(_request())
        assert server.request_count == 2
        assert server.connection_count == 1


def test_the_key_never_shows() -> None:
    model = OpenAIModel(api_key="sk-secret-secret", base_url="http://ada:pass@127.0.0.1:1/v1")
    assert "secret" not in repr(model)
    assert "pass" not in repr(model)
    assert "secret" not in repr(vars(model))


async def test_a_rich_transcript_is_sent_as_the_golden_request_says(
    rich_request: Callable[[str], ModelRequest], assert_golden: Callable[[str, Mapping[str, object]], None]
) -> None:
    assert_golden("openai_chat.json", await _sent(rich_request("openai:gpt-5-mini")))


async def test_an_effort_to_think_is_told_to_models_that_think() -> None:
    request = replace(_request(), settings=ModelSettings(thinking_budget=20_000, temperature=1))
    sent = await _sent(request)
    assert sent["reasoning_effort"] == "high"
    assert "temperature" not in sent
    assert "reasoning_effort" not in await _sent(replace(request, model="openai:gpt-4.1"))


@pytest.mark.parametrize(
    ("api", "path"),
    [pytest.param(None, "chat", id="by default"), pytest.param("responses", "responses", id="on purpose")],
)
async def test_another_server_is_spoken_to_in_chat_completions(api: Literal["responses"] | None, path: str) -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok")]) as server,
        aclosing(OpenAIModel(base_url=server.url, api=api)) as model,
    ):
        await model.respond(_request())
        assert ("input" in server.requests[0].body) == (path == "responses")
