from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from activities.payload_types import (
    MODEL_ACTIVITY,
    ModelCall,
    ModelReply,
    decode_context,
    encode_context,
    model_activity_id,
    tool_activity,
    tool_activity_id,
)
from agentkit.interfaces import ModelResponse, StopReason, ToolContext
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, Usage
from agentkit.runtime.calls.tool_invocation import tool_context


def test_activity_types_in_histories_keep_their_names() -> None:
    assert (MODEL_ACTIVITY, tool_activity("send_email")) == ("request_model", "tool.send_email")


def test_a_model_activitys_id_has_the_step_and_the_position_of_the_model_in_the_chain() -> None:
    assert model_activity_id(12, 1) == "model-12-1"


@pytest.mark.parametrize("call_id", ["call_1", "toolu_01A:b-c/d e", "x" * 200])
def test_short_printable_call_ids_are_activity_ids_as_they_are(call_id: str) -> None:
    assert tool_activity_id(call_id) == call_id


@pytest.mark.parametrize("call_id", ["x" * 201, "ü", "a\nb", "a\0", "\ud800"])
def test_other_call_ids_are_replaced_by_a_hash(call_id: str) -> None:
    activity_id = tool_activity_id(call_id)
    assert activity_id.startswith("call-")
    assert activity_id == tool_activity_id(call_id)
    assert activity_id != tool_activity_id(call_id + "x")


@given(call_id=st.text(st.characters(), min_size=1, max_size=300))
def test_every_activity_id_is_short_printable_ascii(call_id: str) -> None:
    activity_id = tool_activity_id(call_id)
    assert 0 < len(activity_id) <= 200
    assert activity_id.isascii()
    assert activity_id.isprintable()


def test_a_model_call_is_a_few_hundred_bytes_however_long_the_transcript() -> None:
    call = ModelCall(step=50_000, agent_hash="a" * 32, model="openai:m", end=100_000, digest="d" * 32)
    assert len(call.canonical_json()) < 160


def test_the_context_of_a_call_is_sent_without_what_its_activity_knows() -> None:
    context = tool_context("task-1", "call-1", 3, agent="clerk")
    encoded = encode_context(context, "call-1")
    assert encoded == {"step": 3, "agent": "clerk"}
    assert decode_context(encoded, "task-1", "call-1").model_dump() == context.model_dump()


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(tool_context("task-1", "call-1", 3), id="another-activity-id"),
        pytest.param(tool_context("task-1", "call-1", 3).model_copy(update={"idempotency_key": "k"}), id="another-key"),
    ],
)
def test_the_context_of_a_call_has_what_its_activity_can_not_know(context: ToolContext) -> None:
    decoded = decode_context(encode_context(context, "probe-call-1"), "task-1", "probe-call-1")
    assert decoded.model_dump() == context.model_dump()


def test_a_whole_context_is_read_as_it_is() -> None:
    context = tool_context("task-1", "call-1", 3, user="ada")
    decoded = decode_context(context.model_dump(mode="json"), "task-2", "call-2")
    assert decoded.model_dump() == context.model_dump()


def test_what_is_no_context_is_refused() -> None:
    encodings: list[JsonValue] = ["x", None, {"agent": "clerk"}]
    for encoded in encodings:
        with pytest.raises(ValidationError):
            decode_context(encoded, "task-1", "call-1")


CALL = ToolCall(id="1", name="find", arguments={})


@pytest.mark.parametrize(
    ("parts", "stop_reason", "usage", "written"),
    [
        ((TextPart(text="hi"),), "end", Usage(input_tokens=3, model_calls=1), {"usage": {"input_tokens": 3}}),
        ((CALL,), "tool_calls", Usage(model_calls=1), {"usage": {}}),
        ((CALL,), "end", Usage(model_calls=1), {"stop_reason": "end", "usage": {}}),
        ((), "tool_calls", Usage(model_calls=1), {"stop_reason": "tool_calls", "usage": {}}),
        ((), "length", Usage(), {"stop_reason": "length", "usage": {"model_calls": 0}}),
    ],
)
def test_a_model_reply_is_written_without_what_others_have_in_common(
    parts: tuple[ContentPart, ...], stop_reason: StopReason, usage: Usage, written: dict[str, JsonValue]
) -> None:
    message = Message(role="assistant", parts=parts, model="demo:demo")
    reply = ModelReply(response=ModelResponse(message=message, stop_reason=stop_reason, usage=usage))
    stored = json.loads(reply.canonical_json())
    assert list(stored.pop("message")) == ["parts", "model"]
    assert stored == written
    assert ModelReply.model_validate_json(reply.canonical_json()) == reply
    assert ModelReply.model_validate(json.loads(reply.canonical_json())) == reply
    assert ModelReply.model_validate({"response": reply.response.model_dump(mode="json")}) == reply


@pytest.mark.parametrize("data", [None, [], {}, {"message": 1, "usage": {}}, {"message": {"parts": 1}, "usage": {}}])
def test_what_is_no_model_reply_is_refused(data: JsonValue) -> None:
    with pytest.raises(ValidationError):
        ModelReply.model_validate(data)
