from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.messages import Message, TextPart, ToolCall
from agentkit.runtime.calls.call_ids import with_unique_call_ids

_ids = st.sampled_from(["", "c", "d", "c_1_0", "call_1_1"])
_responses = st.lists(_ids, max_size=4).map(
    lambda ids: Message(role="assistant", parts=tuple(ToolCall(id=id, name="look") for id in ids))
)


@given(messages=st.lists(_responses, max_size=5))
def test_call_ids_are_unique_within_a_task_whatever_the_provider_sends(messages: list[Message]) -> None:
    transcript: list[Message] = []
    for step, message in enumerate(messages, 1):
        transcript.append(with_unique_call_ids(message, transcript, step))
    ids = [call.id for message in transcript for call in message.tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_call_ids_that_are_unique_are_kept() -> None:
    earlier = Message(role="assistant", parts=(ToolCall(id="a", name="look"),))
    message = Message(role="assistant", parts=(TextPart(text="so"), ToolCall(id="b", name="look")), model="m:x")
    assert with_unique_call_ids(message, [earlier], 2) == message


@pytest.mark.parametrize(
    ("earlier", "asked", "expected"),
    [("c1", "c1.2", "c1.2_2_0"), ("c1.2", "c1", "c1_2_0"), ("c1", "c1.x", "c1.x"), ("c1", "c2.2", "c2.2")],
)
def test_ids_of_calls_that_resume_another_one_are_kept_free(earlier: str, asked: str, expected: str) -> None:
    transcript = [Message(role="assistant", parts=(ToolCall(id=earlier, name="look"),))]
    message = Message(role="assistant", parts=(ToolCall(id=asked, name="look"),))

    (call,) = with_unique_call_ids(message, transcript, 2).tool_calls

    assert call.id == expected


@pytest.mark.parametrize(("asked", "expected"), [("c1", "c1_7_0"), ("", "call_7_0")])
def test_after_a_compaction_no_id_is_given_that_a_call_may_have_had_which_was_left_out(
    asked: str, expected: str
) -> None:
    summary = Message(role="user", parts=(TextPart(text="This is a summary."),), source="compaction")
    message = Message(role="assistant", parts=(ToolCall(id=asked, name="look"),))
    (call,) = with_unique_call_ids(message, [summary], 7).tool_calls
    assert call.id == expected
