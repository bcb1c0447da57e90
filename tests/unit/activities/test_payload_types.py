from __future__ import annotations

from activities.payload_types import MODEL_ACTIVITY, ModelCall, TranscriptRange, tool_activity
from agentkit.transcript import Segment


def test_activity_types_in_histories_keep_their_names() -> None:
    assert (MODEL_ACTIVITY, tool_activity("send_email")) == ("request_model", "tool.send_email")


def test_a_model_call_is_a_few_hundred_bytes_however_long_the_transcript() -> None:
    segment = Segment(workflow_id="task-" + "x" * 32, start=0, end=100_000, digest="d" * 32)
    call = ModelCall(
        task_id="task-" + "x" * 32, step=50_000, agent_hash="a" * 32, model="openai:m", segments=(segment,)
    )
    assert len(call.canonical_json()) < 400


def test_a_range_without_bounds_is_the_whole_transcript() -> None:
    assert TranscriptRange.model_validate({}) == TranscriptRange(start=0, end=None)
