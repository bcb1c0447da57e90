from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelError, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.llm import OpenAIModel
from agentkit.llm.openai.responses_stream import ResponsesResponseBuilder
from agentkit.llm.shared.streaming_model import ResponseTimeouts
from agentkit.messages import ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, Usage, user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerResponse, ServerScriptEntry, ServerToolCall

MODEL = "openai:gpt-5-mini"
CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})
REASONING: dict[str, JsonValue] = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
SSE = "text/event-stream"


def _request(*messages: Message, **given: Any) -> ModelRequest:
    return ModelRequest(model=MODEL, system="", messages=messages or (user_message("Hi"),), **given)


@asynccontextmanager
async def _serving(*answers: ServerScriptEntry) -> AsyncIterator[tuple[OpenAIModel, ScriptedOpenAIServer]]:
    async with (
        ScriptedOpenAIServer(answers) as server,
        aclosing(OpenAIModel(api_key="sk-test-key", base_url=server.url, api="responses")) as model,
    ):
        yield model, server


async def _ask(answer: ServerScriptEntry, request: ModelRequest | None = None) -> ModelResponse:
    async with _serving(answer) as (model, _):
        return await model.respond(request or _request())


async def _sent(request: ModelRequest) -> dict[str, Any]:
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(request)
        return dict(server.requests[0].body)


def _events(*events: Mapping[str, Any]) -> RawResponse:
    return RawResponse(body="".join(f"data: {json.dumps(event)}\n\n" for event in events), content_type=SSE)


def _ended(*items: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    return {"object": "response", "status": "completed", "output": list(items), "error": None, **given}


async def test_a_rich_transcript_is_sent_as_the_golden_request_says(
    rich_request: Callable[[str], ModelRequest], assert_golden: Callable[[str, Mapping[str, object]], None]
) -> None:
    request = rich_request(MODEL)
    asked, said, results = request.messages
    thought = ThinkingPart(text="Two questions.", provider="openai", data=REASONING)
    said = said.model_copy(update={"parts": (thought, *said.parts[1:])})
    assert_golden("openai_responses.json", await _sent(replace(request, messages=(asked, said, results))))


async def test_nothing_is_stored_there_and_the_key_is_sent() -> None:
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(_request())
        received = server.requests[0]
    assert received.body["store"] is False
    assert received.body["stream"] is True
    assert received.headers["authorization"] == "Bearer sk-test-key"


async def test_encrypted_reasoning_comes_back_unchanged_before_the_calls_that_followed_it() -> None:
    reply = ServerResponse(
        thinking="I need a clock.", calls=(ServerToolCall(name="clock"), ServerToolCall(name="clock"))
    )
    async with _serving(reply, ServerResponse(text="ok")) as (model, server):
        first = await model.respond(_request(tools=(CLOCK,)))
        results = tuple(ToolResult(call_id=call.id, name="clock", content="noon") for call in first.message.tool_calls)
        await model.respond(_request(user_message("Hi"), first.message, Message(role="tool", parts=results)))
        items = server.requests[1].body["input"]
    assert [item.get("type", item.get("role")) for item in items] == [
        "user",
        "reasoning",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    summary = [{"type": "summary_text", "text": "I need a clock."}]
    assert items[1] == {"id": "rs_0", "type": "reasoning", "summary": summary, "encrypted_content": "encrypted-0"}
    assert [item["call_id"] for item in items[2:]] == ["call_0_0", "call_0_1", "call_0_0", "call_0_1"]


async def test_reasoning_that_openai_could_not_read_again_is_not_sent_back() -> None:
    bare = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm."}]}
    response = await _ask(_events({"type": "response.completed", "response": _ended(bare)}))
    (thought,) = response.message.parts
    assert thought == ThinkingPart(text="Hmm.", provider="openai")
    parts = (thought, TextPart(text="Noon."))
    sent = await _sent(_request(user_message("Hi"), Message(role="assistant", parts=parts)))
    assert sent["input"][1:] == [{"role": "assistant", "content": "Noon."}]


async def test_reasoning_that_nothing_follows_and_that_of_others_stay_away() -> None:
    own = ThinkingPart(text="", provider="openai", data=REASONING)
    other = ThinkingPart(text="", provider="openrouter", data=REASONING)
    parts = (other, own, TextPart(text="So far"), own)
    sent = await _sent(_request(user_message("Hi"), Message(role="assistant", parts=parts)))
    assert sent["input"][1:] == [REASONING, {"role": "assistant", "content": "So far"}]


async def test_the_phase_of_a_message_comes_back_with_it() -> None:
    item = {"type": "message", "id": "m", "role": "assistant", "phase": "commentary"}
    said = {**item, "content": [{"type": "output_text", "text": "Let me see."}]}
    response = await _ask(_events({"type": "response.completed", "response": _ended(said)}))
    assert response.message.text == "Let me see."
    sent = await _sent(_request(user_message("Hi"), response.message))
    assert sent["input"][1] == {"role": "assistant", "content": "Let me see.", "phase": "commentary"}


async def test_images_are_sent_by_url_or_as_data() -> None:
    images = (ImagePart(url="https://example.org/a.png"), ImagePart(data=b"aGk=", media_type="image/png"))
    sent = await _sent(_request(user_message((TextPart(text="Compare."), *images))))
    assert sent["input"][0]["content"] == [
        {"type": "input_text", "text": "Compare."},
        {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"},
        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
    ]


async def test_settings_are_sent_only_where_they_are_set_and_the_model_takes_them() -> None:
    settings = ModelSettings(temperature=0, max_output_tokens=50, thinking_budget=1_000, seed=7)
    plain, given = await _sent(_request()), await _sent(_request(settings=settings))
    assert {key: given[key] for key in given.keys() - plain.keys()} == {
        "max_output_tokens": 50,
        "reasoning": {"effort": "low"},
    }
    older = await _sent(replace(_request(settings=settings), model="openai:gpt-4.1"))
    assert older["temperature"] == 0
    assert "reasoning" not in older
    assert "include" not in older


async def test_a_schema_is_sent_as_the_format_of_the_text() -> None:
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"a": {}}, "required": []}
    sent = await _sent(_request(output_schema=schema))
    assert sent["text"] == {"format": {"type": "json_schema", "name": "output", "schema": schema, "strict": False}}


async def test_a_schema_of_no_object_which_openai_refuses_is_told_in_words() -> None:
    sent = await _sent(_request(output_schema={"type": "array"}))
    assert "text" not in sent
    assert str(sent["instructions"]).endswith('and nothing else: {"type": "array"}')


async def test_usage_counts_what_was_cached_and_what_was_thought() -> None:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 30},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 8},
    }
    response = await _ask(_events({"type": "response.completed", "response": _ended(usage=usage)}))
    assert response.usage == Usage(
        input_tokens=100, output_tokens=20, reasoning_tokens=8, cached_tokens=64, cache_write_tokens=30, model_calls=1
    )


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(ServerResponse(text="ok"), "end", id="completed"),
        pytest.param(ServerResponse(calls=(ServerToolCall(name="clock"),)), "tool_calls", id="calls"),
        pytest.param(ServerResponse(text="so far", finish_reason="length"), "length", id="too long"),
        pytest.param(ServerResponse(text="so far", finish_reason="content_filter"), "refusal", id="filtered"),
        pytest.param(ServerResponse(text="Sorry. ", refusal="I won't."), "refusal", id="refused"),
    ],
)
async def test_how_a_response_ended_becomes_our_stop_reason(reply: ServerResponse, expected: str) -> None:
    assert (await _ask(reply)).stop_reason == expected


async def test_a_filter_that_leaves_nothing_is_a_refusal_and_no_answer() -> None:
    with pytest.raises(ContentRefused, match="content filter"):
        await _ask(ServerResponse(finish_reason="content_filter"))


async def test_a_server_that_does_not_stream_is_understood() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "clock", "arguments": '{"zone": "UTC"}'}
    deltas: list[ModelDelta] = []
    async with _serving(RawResponse(body=json.dumps(_ended(call)), content_type="application/json")) as (
        model,
        _,
    ):
        response = await model.respond(_request(), deltas.append)
    assert response.message.tool_calls == (ToolCall(id="c", name="clock", arguments={"zone": "UTC"}),)
    assert deltas == [ModelDelta("tool_arguments", '{"zone": "UTC"}')]


def _failed(code: str) -> dict[str, Any]:
    return {"type": "response.failed", "response": {"status": "failed", "error": {"code": code, "message": "Why"}}}


@pytest.mark.parametrize(
    ("event", "expected", "status"),
    [
        pytest.param(_failed("server_error"), ModelUnavailable, 500, id="server error"),
        pytest.param(_failed("rate_limit_exceeded"), ModelUnavailable, 429, id="rate limit"),
        pytest.param(_failed("unheard_of"), ModelUnavailable, 503, id="a code unheard of"),
        pytest.param(_failed("invalid_prompt"), ModelRequestRejected, 400, id="prompt"),
        pytest.param(_failed("image_too_large"), ModelRequestRejected, 400, id="image"),
        pytest.param(_failed("invalid_base64_image"), ModelRequestRejected, 400, id="image data"),
        pytest.param(_failed("bio_policy"), ContentRefused, 400, id="policy"),
        pytest.param(_failed("image_content_policy_violation"), ContentRefused, 400, id="image against the policy"),
        pytest.param({"type": "error", "code": "server_error", "message": "Why"}, ModelUnavailable, 500, id="error"),
        pytest.param({"type": "error", "error": {"code": "invalid_prompt", "message": "Why"}},
                     ModelRequestRejected, 400, id="error inside an error"),
    ],
)  # fmt: skip
async def test_a_failure_in_the_middle_is_said_in_openais_words(
    event: dict[str, Any], expected: type[ModelError], status: int
) -> None:
    with pytest.raises(ModelError, match="Why") as caught:
        await _ask(_events({"type": "response.output_text.delta", "output_index": 0, "delta": "So"}, event))
    assert type(caught.value) is expected
    assert caught.value.status == status


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_events({"type": "response.completed", "response": {"status": "queued"}}), id="queued"),
        pytest.param(_events({"type": "response.completed", "response": None}), id="no response"),
        pytest.param(_events({"type": "response.output_item.done", "item": 3}), id="no item"),
        pytest.param(_events({"delta": "x"}), id="no type"),
        pytest.param(RawResponse(body="data: null\n\n", content_type=SSE), id="null"),
        pytest.param(RawResponse(body="data: [1]\n\n", content_type=SSE), id="a list"),
        pytest.param(RawResponse(body='{"status": "in_progress"}', content_type="application/json"), id="unfinished"),
        pytest.param(RawResponse(body='{"error": {"message": "busy", "code": 502}}', content_type="application/json"),
                     id="an error as 200"),
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_worth_asking_again(answer: ServerScriptEntry) -> None:
    with pytest.raises(ModelUnavailable):
        await _ask(answer)


async def test_silence_while_the_model_thinks_may_last_longer_than_a_pause_between_words() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(thinking="ab", chunk_chars=1, pause=0.25)]) as server,
        aclosing(OpenAIModel(base_url=server.url, api="responses", timeouts=ResponseTimeouts(first_output=30, idle=0.1))) as model,
    ):
        response = await model.respond(_request())
    assert response.message.parts[0].type == "thinking"


def test_the_model_is_taken_to_think_whenever_it_writes_no_text_and_no_call() -> None:
    answer = ResponsesResponseBuilder(_request(), None)
    seen = [answer.thinks]
    message = {"output_index": 0, "item": {"type": "message", "content": []}}
    for event in (
        {"type": "response.output_item.added", **message},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Let me see."},
        {"type": "response.output_item.done", **message},
    ):
        answer.add(event)
        seen.append(answer.thinks)
    assert seen == [True, False, False, True]


def test_parts_of_a_summary_are_paragraphs_in_the_deltas_as_in_the_end() -> None:
    deltas: list[ModelDelta] = []
    answer = ResponsesResponseBuilder(_request(), deltas.append)
    summary: list[JsonValue] = []
    for place, text in enumerate(("First.", "Then.")):
        at = {"output_index": 0, "summary_index": place}
        answer.add({"type": "response.reasoning_summary_part.added", **at})
        answer.add({"type": "response.reasoning_summary_text.delta", **at, "delta": text})
        summary.append({"type": "summary_text", "text": text})
    item = {"type": "reasoning", "summary": summary}
    answer.add({"type": "response.output_item.done", "output_index": 0, "item": item})
    answer.add({"type": "response.completed", "response": _ended()})
    (thought,) = answer.response().message.parts
    assert isinstance(thought, ThinkingPart)
    assert "".join(delta.text for delta in deltas) == thought.text == "First.\n\nThen."


async def test_a_stall_in_the_middle_ends_in_a_timeout() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="word " * 40, fault="stall", fault_after=5)]) as server,
        aclosing(OpenAIModel(base_url=server.url, api="responses", timeouts=ResponseTimeouts(first_output=8, idle=0.05))) as model,
        asyncio.timeout(10),
    ):
        with pytest.raises(ModelUnavailable, match="did not respond in time"):
            await model.respond(_request())
        await server.wait_for_disconnects()
