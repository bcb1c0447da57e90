from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from agentkit.messages import user_message
from api.conversations.conversation_snapshot import (
    ConversationOrigin,
    ConversationSnapshot,
    ConversationUrls,
    TurnSlice,
    TurnSnapshot,
)
from api.grpc.conversation_mapping import (
    change_request,
    conversation_list_request,
    conversation_message,
    fork_request,
    new_conversation,
    transcript_message,
    transcript_range,
    turn_list_message,
    turn_list_request,
    turn_request,
)
from api.proto.opspawn.v1 import conversations_pb2 as pb
from api.proto.opspawn.v1 import tasks_pb2
from api.tasks.errors import RequestInvalid
from api.tasks.task_snapshot import TranscriptSlice

AT = datetime(2026, 11, 21, 19, 53, 11, tzinfo=UTC)


def test_a_new_conversation_has_the_fields_that_the_message_sets() -> None:
    message = pb.CreateConversationRequest(
        agent="clerk",
        tags=["a"],
        metadata={"k": "v"},
        on_busy=pb.ON_BUSY_ENQUEUE,
        message=tasks_pb2.Input(text="Hi"),
    )
    message.idle_expiry.FromSeconds(60)
    request = new_conversation(message)
    assert request.model_dump(exclude_unset=True) == {
        "agent": "clerk",
        "tags": ("a",),
        "metadata": {"k": "v"},
        "on_busy": "enqueue",
        "idle_expiry": 60,
        "message": "Hi",
    }


def test_a_message_has_the_fields_that_are_set() -> None:
    limits = tasks_pb2.LimitsChange(max_steps=3)
    message = pb.SendConversationMessageRequest(input=tasks_pb2.Input(text="Hi"), model="demo:demo", limits=limits)
    message.output_schema.update({"type": "object"})
    request = turn_request(message)
    assert (request.input, request.model, request.on_busy) == ("Hi", "demo:demo", None)
    assert (request.limit_changes, request.output_schema) == ({"max_steps": 3}, {"type": "object"})


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (pb.UpdateConversationRequest(title=""), {"title": ""}),
        (pb.UpdateConversationRequest(model=""), {"model": None}),
        (pb.UpdateConversationRequest(agent="clerk", model="demo:x"), {"agent": "clerk", "model": "demo:x"}),
        (pb.UpdateConversationRequest(on_busy=pb.ON_BUSY_REJECT), {"on_busy": "reject"}),
    ],
    ids=["title", "own-model", "agent", "on-busy"],
)
def test_a_change_is_what_the_message_sets(message: pb.UpdateConversationRequest, fields: dict[str, Any]) -> None:
    assert change_request(message).model_dump(exclude_unset=True) == fields


def test_a_fork_from_the_beginning_is_one_from_turn_0() -> None:
    assert fork_request(pb.ForkConversationRequest(title="x")).model_dump(exclude_unset=True) == {
        "from_turn": 0,
        "title": "x",
    }


def test_pages_have_filters_and_limits() -> None:
    statuses = [pb.CONVERSATION_STATUS_IDLE, pb.CONVERSATION_STATUS_EXPIRED]
    request = conversation_list_request(pb.ListConversationsRequest(status=statuses, tag="a", limit=3))
    assert (request.status, request.tag, request.limit) == (("idle", "expired"), "a", 3)
    assert turn_list_request(pb.ListTurnsRequest(start=3)).after == 2
    assert transcript_range(pb.GetConversationTranscriptRequest(start=4)) == (4, 100, None)
    assert transcript_range(pb.GetConversationTranscriptRequest(limit=5, version=2)) == (0, 5, 2)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.GetConversationTranscriptRequest(start=-1), "start"),
        (pb.GetConversationTranscriptRequest(limit=1001), "limit"),
        (pb.GetConversationTranscriptRequest(version=0), "version"),
    ],
    ids=["start", "limit", "version"],
)
def test_a_range_that_no_transcript_has_is_refused(message: pb.GetConversationTranscriptRequest, field: str) -> None:
    with pytest.raises(RequestInvalid) as raised:
        transcript_range(message)
    assert [issue.path for issue in raised.value.issues] == [(field,)]


def test_a_conversation_has_all_that_its_snapshot_has() -> None:
    message = conversation_message(
        ConversationSnapshot(
            id="conversation-1",
            agent="clerk",
            model="demo:demo",
            status="waiting",
            title="A trip",
            user="ada",
            tags=("a",),
            metadata={"k": "v"},
            on_busy="interrupt",
            turns=3,
            current_task_id="conversation-1-m3",
            queued=1,
            created_at=AT,
            updated_at=AT,
            expires_at=AT,
            forked_from=ConversationOrigin(conversation_id="conversation-0", turn=2),
            links=ConversationUrls.of("http://ui", "default").links("conversation-1"),
        )
    )
    fields = MessageToDict(message, preserving_proto_field_name=True)
    del fields["usage"], fields["links"]
    assert fields == {
        "id": "conversation-1",
        "agent": "clerk",
        "model": "demo:demo",
        "status": "CONVERSATION_STATUS_WAITING",
        "title": "A trip",
        "user": "ada",
        "tags": ["a"],
        "metadata": {"k": "v"},
        "on_busy": "ON_BUSY_INTERRUPT",
        "turns": 3,
        "current_task_id": "conversation-1-m3",
        "queued": 1,
        "created_at": "2026-11-21T19:53:11Z",
        "updated_at": "2026-11-21T19:53:11Z",
        "expires_at": "2026-11-21T19:53:11Z",
        "forked_from": {"conversation_id": "conversation-0", "turn": 2},
    }
    assert message.links.transcript == "/api/v1/conversations/conversation-1/transcript"


def test_a_turn_that_runs_has_neither_output_nor_end() -> None:
    turn = TurnSnapshot(
        number=1, task_id="t", status="running", agent="clerk", model="demo:demo", input="Hi", started_at=AT
    )
    (message,) = turn_list_message(TurnSlice((turn,), "1")).turns
    assert [message.HasField(name) for name in ("output", "error", "ended_at")] == [False] * 3
    assert message.status == tasks_pb2.TASK_STATUS_RUNNING


def test_messages_have_the_keys_of_rest() -> None:
    page = transcript_message(TranscriptSlice(3, (user_message("Hi"),), 5, 4))
    assert (page.start, page.total, page.next_start) == (3, 5, 4)
    (message,) = page.messages
    assert MessageToDict(message)["parts"] == [{"type": "text", "text": "Hi"}]
