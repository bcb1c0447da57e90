"""Responses built from events of the Messages API, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelUnavailable
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.llm.anthropic.stream import AnthropicResponseBuilder
from agentkit.llm.shared.failures import ProviderStreamError
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.messages import TextPart, ThinkingPart, ToolCall, Usage, user_message
from agentkit.specs import ToolSpec

GITHUB = ToolSpec(name="mcp:github/create_issue", description="Creates an issue.", parameters={"type": "object"})
REQUEST = ModelRequest(model="anthropic:claude-sonnet-5", system="", messages=(user_message("Hi"),))
START: Mapping[str, JsonValue] = {"type": "message_start", "message": {"content": []}}
TEXT: Mapping[str, JsonValue] = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "text", "text": "ok"},
}


def _build(
    *events: Mapping[str, JsonValue], request: ModelRequest = REQUEST, deltas: list[ModelDelta] | None = None
) -> ModelResponse:
    builder = AnthropicResponseBuilder(request, deltas.append if deltas is not None else None)
    for event in events:
        builder.add(event)
    return builder.build()


def _end(stop_reason: str, **fields: JsonValue) -> Mapping[str, JsonValue]:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason, **fields}}


def _call(name: str, *chunks: str) -> list[Mapping[str, JsonValue]]:
    """Return the events of one tool call whose arguments come in chunks."""
    block: JsonValue = {"type": "tool_use", "id": "a", "name": name, "input": {}}
    start: Mapping[str, JsonValue] = {"type": "content_block_start", "index": 0, "content_block": block}
    deltas: list[Mapping[str, JsonValue]] = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": chunk}}
        for chunk in chunks
    ]
    return [start, *deltas]


def test_usage_counts_cached_tokens_as_input() -> None:
    counts = {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 80, "output_tokens": 1}
    response = _build(
        {"type": "message_start", "message": {"content": [], "stop_reason": None, "usage": {**counts}}},
        TEXT,
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 15}},
        },
    )
    assert response.usage == Usage(
        input_tokens=95, output_tokens=20, reasoning_tokens=15, cached_tokens=80, cache_write_tokens=5, model_calls=1
    )


def test_usage_is_estimated_if_the_server_sends_none() -> None:
    block: JsonValue = {"type": "text", "text": "x" * 400}
    response = _build({"type": "content_block_start", "index": 0, "content_block": block}, _end("end_turn"))
    assert response.usage == Usage(input_tokens=1, output_tokens=100, model_calls=1)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("an_unknown_reason", "end"),
        ("max_tokens", "length"),
        ("pause_turn", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
    ],
)
def test_every_stop_reason_has_one_of_ours(reason: str, expected: str) -> None:
    assert _build(TEXT, _end(reason)).stop_reason == expected


def test_a_response_with_tool_calls_stops_for_them() -> None:
    assert _build(*_call("clock"), _end("tool_use")).stop_reason == "tool_calls"


def test_a_stream_without_a_stop_reason_is_incomplete() -> None:
    with pytest.raises(ModelUnavailable, match="was cut off in the middle"):
        _build(START, TEXT)


def test_an_error_event_is_raised() -> None:
    with pytest.raises(ProviderStreamError) as caught:
        _build(START, {"type": "error", "error": {"type": "overloaded_error"}})
    assert caught.value.body == {"type": "overloaded_error"}


def test_a_refusal_without_a_text_is_an_error_with_its_explanation() -> None:
    details: JsonValue = {"type": "refusal", "category": "bio", "explanation": "This could do harm."}
    with pytest.raises(ContentRefused, match="refused to respond: This could do harm"):
        _build(START, _end("refusal", stop_details=details))


def test_tools_are_called_under_their_own_names() -> None:
    request = replace(REQUEST, tools=(GITHUB,))
    sent_name = provider_tool_name(GITHUB.name)
    assert sent_name.startswith("mcp_github_create_issue_")
    for name, expected in ((sent_name, GITHUB.name), ("unknown", "unknown")):
        (call,) = _build(*_call(name), _end("tool_use"), request=request).message.tool_calls
        assert call.name == expected


def test_arguments_are_put_together_and_emitted_as_they_are_received() -> None:
    deltas: list[ModelDelta] = []
    response = _build(*_call("clock", '{"zo', 'ne": "UTC"}'), _end("tool_use"), deltas=deltas)
    assert response.message.parts == (ToolCall(id="a", name="clock", arguments={"zone": "UTC"}),)
    assert deltas == [ModelDelta("tool_arguments", '{"zo'), ModelDelta("tool_arguments", 'ne": "UTC"}')]


def test_thinking_keeps_its_signature_and_redacted_thinking_its_data() -> None:
    response = _build(
        START,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hmm."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "xyz"}},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": "Noon."}},
        {"type": "content_block_start", "index": 3, "content_block": {"type": "unknown_block", "text": None}},
        _end("end_turn"),
    )
    assert response.message.parts == (
        ThinkingPart(text="Hmm.", signature="sig", provider="anthropic"),
        ThinkingPart(text="", provider="anthropic", data={"redacted": "xyz"}),
        TextPart(text="Noon."),
    )


OPEN_OBJECT: dict[str, JsonValue] = {"type": "object"}
LIST: dict[str, JsonValue] = {"type": "array", "items": {"$ref": "#/$defs/any"}, "$defs": {"any": {}}}


@pytest.mark.parametrize(
    ("schema", "arguments", "text"),
    [
        pytest.param(OPEN_OBJECT, '{"a": 1}', '{"a": 1}', id="an object"),
        pytest.param(LIST, '{"output": [1, 2]}', "[1, 2]", id="a list, wrapped"),
        pytest.param(OPEN_OBJECT, "no JSON", "no JSON", id="malformed"),
    ],
)
def test_a_call_of_the_output_tool_becomes_text(schema: dict[str, JsonValue], arguments: str, text: str) -> None:
    deltas: list[ModelDelta] = []
    request = replace(REQUEST, output_schema=schema)
    response = _build(*_call("give_final_output", arguments), _end("tool_use"), request=request, deltas=deltas)
    assert response.message.parts == (TextPart(text=text),)
    assert response.stop_reason == "end"
    assert deltas == [ModelDelta("text", text)]


def test_the_body_of_a_server_that_does_not_stream_is_one_event() -> None:
    content: JsonValue = [
        {"type": "text", "text": "Noon."},
        {"type": "tool_use", "id": "a", "name": "clock", "input": {"b": 1}},
    ]
    body = {"type": "message", "content": content, "stop_reason": "tool_use", "usage": {"input_tokens": 3}}
    builder = AnthropicResponseBuilder(REQUEST, None)
    builder.add_complete(body)
    response = builder.build()
    assert response.message.text == "Noon."
    assert response.message.tool_calls[0].arguments == {"b": 1}
    assert response.stop_reason == "tool_calls"
    assert response.usage.input_tokens == 3
