"""Conversations over gRPC: the same conversations as over REST, and the same errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc
import pytest

from api.proto.opspawn.v1 import conversations_pb2 as pb
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.conversations_pb2_grpc import ConversationServiceStub
from tests.integration.api.conftest import WITHIN, ApiHarness
from tests.integration.api.grpc_harness import failure, serve_grpc
from tests.integration.api.talks import Talks

if TYPE_CHECKING:
    from api.proto.opspawn.v1.conversations_pb2_grpc import ConversationServiceAsyncStub  # only the types have it


@pytest.fixture
async def stub(harness: ApiHarness) -> AsyncIterator[ConversationServiceAsyncStub]:
    """A client of the conversations, with no worker yet."""
    async with serve_grpc(harness) as api:
        yield ConversationServiceStub(api.channel)


async def test_a_conversation_is_the_same_over_rest_and_created_once_for_a_key(
    harness: ApiHarness, stub: ConversationServiceAsyncStub
) -> None:
    request = pb.CreateConversationRequest(
        agent="assistant",
        message=tasks_pb2.Input(text="Hi"),
        on_busy=pb.ON_BUSY_ENQUEUE,
        idempotency_key=harness.settings.task_queue,
    )
    created = await stub.CreateConversation(request, timeout=WITHIN)
    again = await stub.CreateConversation(request, timeout=WITHIN)
    shown = await Talks(harness).get({"id": created.conversation.id})
    assert (created.created, again.created) == (True, False)
    assert again.conversation == created.conversation
    assert shown["current_task_id"] == created.conversation.current_task_id
    assert (shown["title"], shown["on_busy"], shown["status"]) == ("Hi", "enqueue", "running")


async def test_a_message_that_no_worker_has_taken_is_queued_and_sent_once_for_a_key(
    stub: ConversationServiceAsyncStub,
) -> None:
    created = await stub.CreateConversation(pb.CreateConversationRequest(agent="assistant"), timeout=WITHIN)
    request = pb.SendConversationMessageRequest(
        conversation_id=created.conversation.id, input=tasks_pb2.Input(text="Hi"), idempotency_key="k1"
    )
    sent = await stub.SendConversationMessage(request, timeout=WITHIN)
    again = await stub.SendConversationMessage(request, timeout=WITHIN)
    assert sent.outcome == pb.MESSAGE_OUTCOME_QUEUED
    assert sent.task.id == again.task.id
    assert sent.task.conversation_id == created.conversation.id


async def test_errors_have_the_reasons_of_the_reference(stub: ConversationServiceAsyncStub) -> None:
    unknown = await failure(stub.GetConversation(pb.GetConversationRequest(conversation_id="x"), timeout=WITHIN))
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND")
    nobody = await failure(stub.CreateConversation(pb.CreateConversationRequest(agent="nobody"), timeout=WITHIN))
    assert (nobody.code, nobody.reason, [*nobody.fields]) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "TASK_REFUSED",
        ["agent"],
    )
    busy = await stub.CreateConversation(
        pb.CreateConversationRequest(agent="assistant", message=tasks_pb2.Input(text="Hi")), timeout=WITHIN
    )
    message = pb.SendConversationMessageRequest(conversation_id=busy.conversation.id, input=tasks_pb2.Input(text="And"))
    refused = await failure(stub.SendConversationMessage(message, timeout=WITHIN))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CONVERSATION_BUSY")
    part = tasks_pb2.InputPart(image=tasks_pb2.Image(url="x", data=b"x"))
    wrong = pb.CreateConversationRequest(agent="assistant", message=tasks_pb2.Input(parts=[part]))
    assert [*(await failure(stub.CreateConversation(wrong, timeout=WITHIN))).fields] == ["message.parts[0]"]


async def test_a_conversation_is_deleted(harness: ApiHarness, stub: ConversationServiceAsyncStub) -> None:
    created = await stub.CreateConversation(pb.CreateConversationRequest(agent="assistant"), timeout=WITHIN)
    request = pb.DeleteConversationRequest(conversation_id=created.conversation.id)
    for _ in range(2):
        deleted = await stub.DeleteConversation(request, timeout=WITHIN)
        assert (deleted.conversation_id, deleted.erased, deleted.waiting_for_worker) == (
            request.conversation_id,
            False,
            True,
        )
        assert not deleted.HasField("memories")
    request.memories = True
    refused = await failure(stub.DeleteConversation(request, timeout=WITHIN))
    assert refused.reason == "MEMORY_NOT_SERVED"


async def test_turns_are_sent_listed_and_read(harness: ApiHarness, stub: ConversationServiceAsyncStub) -> None:
    async with Talks(harness).worker():
        created = await stub.CreateConversation(pb.CreateConversationRequest(agent="assistant"), timeout=WITHIN)
        conversation_id = created.conversation.id
        message = pb.SendConversationMessageRequest(conversation_id=conversation_id, input=tasks_pb2.Input(text="One"))
        sent = await stub.SendConversationMessage(message, timeout=WITHIN)
        await harness.task(sent.task.id, wait=WITHIN)
        await Talks(harness).until({"id": conversation_id}, "idle")
        turns = await stub.ListTurns(pb.ListTurnsRequest(conversation_id=conversation_id), timeout=WITHIN)
        request = pb.GetConversationTranscriptRequest(conversation_id=conversation_id)
        transcript = await stub.GetConversationTranscript(request, timeout=WITHIN)
        change = pb.UpdateConversationRequest(conversation_id=conversation_id, title="Renamed")
        changed = await stub.UpdateConversation(change, timeout=WITHIN)
        fork_request = pb.ForkConversationRequest(conversation_id=conversation_id, from_turn=1)
        fork = await stub.ForkConversation(fork_request, timeout=WITHIN)
    assert sent.outcome == pb.MESSAGE_OUTCOME_STARTED
    assert [(turn.number, turn.task_id, turn.output) for turn in turns.turns] == [(1, sent.task.id, "One")]
    assert [message["role"] for message in transcript.messages] == ["user", "assistant"]
    assert (transcript.total, transcript.version) == (2, 1)
    assert (changed.decided, changed.conversation.title) == (True, "Renamed")
    assert (fork.conversation.forked_from.conversation_id, fork.conversation.turns) == (conversation_id, 1)
