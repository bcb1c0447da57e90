from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.payload_types import (
    MODEL_ACTIVITY,
    ModelCall,
    ModelReply,
    model_activity_id,
    tool_activity,
    tool_activity_id,
)
from agentkit.interfaces import ModelResponse
from agentkit.messages import Message, TextPart, Usage
from agentkit.transcript import Segment


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
    segment = Segment(workflow_id="task-" + "x" * 32, start=0, end=100_000, digest="d" * 32)
    call = ModelCall(
        task_id="task-" + "x" * 32, step=50_000, agent_hash="a" * 32, model="openai:m", segments=(segment,)
    )
    assert len(call.canonical_json()) < 400


def test_a_model_reply_is_written_without_counts_that_are_zero() -> None:
    message = Message(role="assistant", parts=(TextPart(text="hi"),))
    response = ModelResponse(message=message, stop_reason="end", usage=Usage(input_tokens=3, model_calls=1))
    written = json.loads(ModelReply(response=response, model="demo:demo").canonical_json())
    assert written["response"]["usage"] == {"input_tokens": 3, "model_calls": 1}
    assert ModelReply.model_validate(written).response == response
