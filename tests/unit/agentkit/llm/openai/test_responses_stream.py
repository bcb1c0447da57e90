from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelError, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse
from agentkit.llm.openai.model import OpenAIModel
from agentkit.llm.openai.responses_stream import ResponsesResponseBuilder
from agentkit.messages import Message, TextPart, ThinkingPart, ToolCall, ToolResult, Usage, user_message
from agentkit.specs import ToolSpec
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerResponse, ServerScriptEntry, ServerToolCall

REQUEST = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))
CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})
STREAM = "text/event-stream"
JSON = "application/json"


async def _respond(entry: ServerScriptEntry, emit: Emit | None = None) -> ModelResponse:
    async with (
        ScriptedOpenAIServer([entry]) as server,
        aclosing(OpenAIModel(base_url=server.url, api="responses")) as model,
    ):
        return await model.respond(REQUEST, emit)


def _events(*events: Mapping[str, Any]) -> RawResponse:
    return RawResponse(body="".join(f"data: {json.dumps(event)}\n\n" for event in events), content_type=STREAM)


def _completed(*items: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a response object."""
    return {"object": "response", "status": "completed", "output": list(items), "error": None, **fields}


async def test_encrypted_reasoning_is_sent_back_unchanged_before_the_calls_that_followed_it() -> None:
    calling = ServerResponse(
        thinking="I need a clock.", calls=(ServerToolCall(name="clock"), ServerToolCall(name="clock"))
    )
    request = replace(REQUEST, tools=(CLOCK,))
    async with (
        ScriptedOpenAIServer([calling, ServerResponse(text="ok")]) as server,
        aclosing(OpenAIModel(base_url=server.url, api="responses")) as model,
    ):
        first = await model.respond(request)
        results = tuple(ToolResult(call_id=call.id, name="clock", content="noon") for call in first.message.tool_calls)
        messages = (*request.messages, first.message, Message(role="tool", parts=results))
        await model.respond(replace(request, messages=messages))
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


async def test_reasoning_that_openai_could_not_read_again_is_only_text() -> None:
    reasoning = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm."}]}
    response = await _respond(_events({"type": "response.completed", "response": _completed(reasoning)}))
    assert response.message.parts == (ThinkingPart(text="Hmm.", provider="openai"),)


async def test_the_phase_of_a_message_is_kept_for_the_next_request() -> None:
    content = [{"type": "output_text", "text": "Let me see."}]
    message = {"type": "message", "id": "m", "role": "assistant", "phase": "commentary", "content": content}
    response = await _respond(_events({"type": "response.completed", "response": _completed(message)}))
    assert response.message.parts == (
        ThinkingPart(text="", provider="openai", data={"type": "message", "phase": "commentary"}),
        TextPart(text="Let me see."),
    )


async def test_usage_includes_cached_and_reasoning_tokens() -> None:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 30},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 8},
    }
    response = await _respond(_events({"type": "response.completed", "response": _completed(usage=usage)}))
    assert response.usage == Usage(
        input_tokens=100, output_tokens=20, reasoning_tokens=8, cached_tokens=64, cache_write_tokens=30, model_calls=1
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(ServerResponse(text="ok"), "end", id="completed"),
        pytest.param(ServerResponse(calls=(ServerToolCall(name="clock"),)), "tool_calls", id="calls"),
        pytest.param(ServerResponse(text="so far", finish_reason="length"), "length", id="too long"),
        pytest.param(ServerResponse(text="so far", finish_reason="content_filter"), "refusal", id="filtered"),
        pytest.param(ServerResponse(text="Sorry. ", refusal="I won't."), "refusal", id="refused"),
    ],
)
async def test_the_status_of_a_response_becomes_a_stop_reason(entry: ServerResponse, expected: str) -> None:
    assert (await _respond(entry)).stop_reason == expected


async def test_a_filter_that_leaves_nothing_refuses_the_content() -> None:
    with pytest.raises(ContentRefused, match="content filter"):
        await _respond(ServerResponse(finish_reason="content_filter"))


async def test_a_complete_response_without_a_stream_is_read() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "clock", "arguments": '{"zone": "UTC"}'}
    deltas: list[ModelDelta] = []
    response = await _respond(RawResponse(body=json.dumps(_completed(call)), content_type=JSON), deltas.append)
    assert response.message.tool_calls == (ToolCall(id="c", name="clock", arguments={"zone": "UTC"}),)
    assert deltas == [ModelDelta("tool_arguments", '{"zone": "UTC"}')]


@pytest.mark.parametrize(
    ("event", "expected", "status"),
    [
        pytest.param(
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "server_error", "message": "Why"}},
            },
            ModelUnavailable,
            500,
            id="failed response",
        ),
        pytest.param(
            {"type": "error", "code": "server_error", "message": "Why"}, ModelUnavailable, 500, id="error event"
        ),
        pytest.param(
            {"type": "error", "error": {"code": "invalid_prompt", "message": "Why"}},
            ModelRequestRejected,
            400,
            id="error inside an error event",
        ),
    ],
)
async def test_a_failure_in_a_stream_has_openais_message(
    event: dict[str, Any], expected: type[ModelError], status: int
) -> None:
    delta = {"type": "response.output_text.delta", "output_index": 0, "delta": "So"}
    with pytest.raises(ModelError, match="Why") as caught:
        await _respond(_events(delta, event))
    assert type(caught.value) is expected
    assert caught.value.status == status


async def test_an_error_with_status_200_is_an_error() -> None:
    entry = RawResponse(body='{"error": {"code": "invalid_prompt", "message": "Why"}}', content_type=JSON)
    with pytest.raises(ModelRequestRejected, match="Why"):
        await _respond(entry)


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(_events({"type": "response.completed", "response": {"status": "queued"}}), id="queued"),
        pytest.param(_events({"type": "response.completed", "response": None}), id="no response"),
        pytest.param(_events({"type": "response.output_item.done", "item": 3}), id="no item"),
        pytest.param(_events({"delta": "x"}), id="no type"),
        pytest.param(RawResponse(body='{"status": "in_progress"}', content_type=JSON), id="unfinished"),
    ],
)
async def test_anything_but_a_complete_response_is_worth_a_retry(entry: ServerScriptEntry) -> None:
    with pytest.raises(ModelUnavailable):
        await _respond(entry)


def test_the_model_is_thinking_unless_it_writes_text_or_a_call() -> None:
    builder = ResponsesResponseBuilder(REQUEST, None)
    is_thinking = [builder.is_thinking]
    message = {"output_index": 0, "item": {"type": "message", "content": []}}
    reasoning = {"output_index": 1, "item": {"type": "reasoning", "summary": []}}
    for event in (
        {"type": "response.created"},
        {"type": "response.output_item.added", **message},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Let me see."},
        {"type": "response.output_item.done", **message},
        {"type": "response.output_item.added", **reasoning},
        {"type": "response.reasoning_summary_text.delta", "output_index": 1, "delta": "Hmm."},
        {"type": "response.output_text.delta", "output_index": 2, "delta": "Noon."},
    ):
        builder.add(event)
        is_thinking.append(builder.is_thinking)
    assert is_thinking == [False, True, False, False, True, True, True, False]


def test_the_parts_of_a_summary_are_paragraphs_in_the_deltas_and_in_the_response() -> None:
    deltas: list[ModelDelta] = []
    builder = ResponsesResponseBuilder(REQUEST, deltas.append)
    summary: list[JsonValue] = []
    for index, text in enumerate(("First.", "Then.")):
        indices = {"output_index": 0, "summary_index": index}
        builder.add({"type": "response.reasoning_summary_part.added", **indices})
        builder.add({"type": "response.reasoning_summary_text.delta", **indices, "delta": text})
        summary.append({"type": "summary_text", "text": text})
    item = {"type": "reasoning", "summary": summary}
    builder.add({"type": "response.output_item.done", "output_index": 0, "item": item})
    builder.add({"type": "response.completed", "response": _completed()})
    (thought,) = builder.build().message.parts
    assert isinstance(thought, ThinkingPart)
    assert "".join(delta.text for delta in deltas) == thought.text == "First.\n\nThen."


def _message(text: str) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "output_text", "text": text}]}


def test_items_are_in_the_order_of_their_indices_and_not_repeated_by_the_final_event() -> None:
    deltas: list[ModelDelta] = []
    builder = ResponsesResponseBuilder(REQUEST, deltas.append)
    builder.add({"type": "response.output_item.done", "output_index": 1, "item": _message("Second.")})
    builder.add({"type": "response.output_item.done", "output_index": 0, "item": _message("First.")})
    final = _completed(_message("First."), _message("Second."))
    builder.add({"type": "response.completed", "response": final})
    assert builder.build().message.parts == (TextPart(text="First."), TextPart(text="Second."))
    assert [delta.text for delta in deltas] == ["Second.", "First."]


def test_an_item_without_content_is_no_part_and_reasoning_may_be_in_the_content() -> None:
    builder = ResponsesResponseBuilder(REQUEST, None)
    reasoning: dict[str, JsonValue] = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hmm."}]}
    builder.add_complete(_completed({"type": "reasoning", "summary": []}, reasoning, _message("")))
    assert builder.build().message.parts == (ThinkingPart(text="Hmm.", provider="openai", data=reasoning),)
