"""Responses built from chunks of the Gemini API, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from pydantic import JsonValue, ValidationError

from agentkit.errors import ContentRefused, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.llm.google.profile import gemini_tool_name
from agentkit.llm.google.request import gemini_body
from agentkit.llm.google.stream import GeminiChunk, GeminiResponseBuilder
from agentkit.messages import TextPart, ThinkingPart, Usage, user_message
from agentkit.specs import ToolSpec

GITHUB = ToolSpec(name="mcp:github/create_issue", description="Creates an issue.", parameters={"type": "object"})
REQUEST = ModelRequest(model="google:gemini-3.8-flash", system="", messages=(user_message("Hi"),))
Part = dict[str, JsonValue]


def _chunk(**fields: object) -> GeminiChunk:
    return GeminiChunk.model_validate(fields)


def _build(
    *parts: Part,
    finish: str = "STOP",
    usage: dict[str, int] | None = None,
    request: ModelRequest = REQUEST,
    deltas: list[ModelDelta] | None = None,
) -> ModelResponse:
    """Build a response from one chunk for each part, and one with the finish reason."""
    builder = GeminiResponseBuilder(request, deltas.append if deltas is not None else None)
    for part in parts:
        builder.add(_chunk(candidates=[{"content": {"parts": [part]}}]))
    builder.add(_chunk(candidates=[{"finishReason": finish}], usageMetadata=usage))
    return builder.build()


def _call(name: str, call_id: str | None = "a", **arguments: JsonValue) -> Part:
    id_field: Part = {"id": call_id} if call_id is not None else {}
    return {"functionCall": {**id_field, "name": name, "args": arguments}}


def test_usage_counts_thinking_as_output() -> None:
    counts = {
        "promptTokenCount": 90,
        "toolUsePromptTokenCount": 10,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 15,
        "cachedContentTokenCount": 64,
    }
    assert _build({"text": "ok"}, usage=counts).usage == Usage(
        input_tokens=100, output_tokens=35, reasoning_tokens=15, cached_tokens=64, model_calls=1
    )


def test_usage_is_estimated_if_the_server_sends_none() -> None:
    assert _build({"text": "x" * 400}).usage == Usage(input_tokens=1, output_tokens=100, model_calls=1)


@pytest.mark.parametrize(
    ("part", "finish", "expected"),
    [
        pytest.param({"text": "ok"}, "STOP", "end", id="STOP"),
        pytest.param({"text": "ok"}, "OTHER", "end", id="OTHER"),
        pytest.param(_call("clock"), "STOP", "tool_calls", id="STOP with calls"),
        pytest.param({"text": "so far"}, "MAX_TOKENS", "length", id="MAX_TOKENS"),
        pytest.param({"text": "so far"}, "SAFETY", "refusal", id="SAFETY"),
        pytest.param({"text": "so far"}, "RECITATION", "refusal", id="RECITATION"),
    ],
)
def test_every_finish_reason_has_one_of_ours(part: Part, finish: str, expected: str) -> None:
    assert _build(part, finish=finish).stop_reason == expected


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
def test_an_empty_response_is_an_error_with_its_finish_reason(finish: str, expected: type[Exception]) -> None:
    with pytest.raises(expected, match=finish) as caught:
        _build(finish=finish)
    assert type(caught.value) is expected


def test_a_stream_without_a_finish_reason_is_incomplete() -> None:
    builder = GeminiResponseBuilder(REQUEST, None)
    builder.add(_chunk(candidates=[{"content": {"parts": [{"text": "so far"}]}}]))
    with pytest.raises(ModelUnavailable, match="was cut off in the middle"):
        builder.build()


def test_a_blocked_prompt_is_a_refusal() -> None:
    builder = GeminiResponseBuilder(REQUEST, None)
    builder.add(_chunk(promptFeedback={"blockReason": "PROHIBITED_CONTENT"}))
    with pytest.raises(ContentRefused, match=r"blocked the prompt.*PROHIBITED_CONTENT"):
        builder.build()


def test_a_chunk_with_fields_of_the_wrong_type_is_rejected() -> None:
    with pytest.raises(ValidationError):
        GeminiChunk.model_validate({"candidates": 1})


@pytest.mark.parametrize(("sent_name", "name"), [(gemini_tool_name(GITHUB.name), GITHUB.name), ("unknown", "unknown")])
def test_tools_are_called_under_their_own_names(sent_name: str, name: str) -> None:
    (call,) = _build(_call(sent_name), request=replace(REQUEST, tools=(GITHUB,))).message.tool_calls
    assert call.name == name


def test_ids_that_the_server_leaves_out_stay_empty() -> None:
    response = _build(_call("a", None), _call("b", None))
    assert [(call.id, call.name) for call in response.message.tool_calls] == [("", "a"), ("", "b")]


def test_thinking_is_emitted_and_kept_apart_from_the_text() -> None:
    deltas: list[ModelDelta] = []
    response = _build({"text": "Hmm.", "thought": True}, {"text": "Noon."}, deltas=deltas)
    assert response.message.parts == (ThinkingPart(text="Hmm.", provider="google"), TextPart(text="Noon."))
    assert deltas == [ModelDelta("thinking", "Hmm."), ModelDelta("text", "Noon.")]


def test_a_call_of_the_output_tool_becomes_text() -> None:
    schema: dict[str, JsonValue] = {"type": "array", "items": {"type": "integer"}}
    request = replace(REQUEST, model="google:gemini-2.5-flash", tools=(GITHUB,), output_schema=schema)
    deltas: list[ModelDelta] = []
    response = _build(_call("give_final_output", output=[1, 2]), request=request, deltas=deltas)
    assert response.message.parts == (TextPart(text="[1, 2]"),)
    assert response.stop_reason == "end"
    assert deltas == [ModelDelta("text", "[1, 2]")]


SIGNED: Part = {"thoughtSignature": "c2ln"}


@pytest.mark.parametrize(
    ("received", "sent_back"),
    [
        pytest.param([{"text": "a"}, {"text": "b"}], [{"text": "ab"}], id="text in chunks, which are joined"),
        pytest.param([{"text": "a"}, {"text": "b", **SIGNED}], None, id="the last text signed"),
        pytest.param([{"text": "a"}, {"text": "", **SIGNED}], None, id="signed at the end"),
        pytest.param([{"text": "Hmm.", "thought": True, **SIGNED}, {"text": "a"}], None, id="signed thinking"),
        pytest.param([_call("f", "x", a=1) | SIGNED, _call("f", "y")], None, id="parallel calls, the first signed"),
        pytest.param([{"text": "a"}, _call("f", "y") | SIGNED], None, id="text, then a signed call"),
    ],
)
def test_a_response_is_sent_back_with_each_signature_on_its_part(
    received: Sequence[Part], sent_back: Sequence[Part] | None
) -> None:
    message = _build(*received).message
    body = gemini_body(replace(REQUEST, messages=(*REQUEST.messages, message)))
    contents = body["contents"]
    assert isinstance(contents, list)
    assert contents[-1] == {"role": "model", "parts": sent_back or received}
