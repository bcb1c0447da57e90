from __future__ import annotations

from datetime import UTC, datetime

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from agentkit.messages import user_message
from agentkit.specs import AgentSpec
from api.conversations.conversation_requests import ConversationListRequest
from api.conversations.conversation_snapshot import ConversationUrls
from api.conversations.conversation_visibility import (
    conversation_memo,
    conversation_query,
    conversation_search_attributes,
    listed_conversation,
)
from api.tasks.errors import PayloadUnavailable
from tests.unit.api.tasks.executions import CREATED_AT, execution
from workflows.conversations.conversation_types import ConversationInput, ConversationMessage, ConversationSummary
from workflows.search_attributes import AGENT, STATUS

URLS = ConversationUrls.of("http://localhost:8233", "default")
MESSAGE = ConversationMessage(
    id="m1", agent=AgentSpec(name="clerk", models=("demo:demo",), planner="tools"), message=user_message("Hi")
)


def attributes(status: str) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(STATUS, status), SearchAttributePair(AGENT, "clerk")])


def summary(**fields: object) -> dict[str, object]:
    return {"conversation": ConversationSummary.model_validate(fields).model_dump(mode="json")}


def test_filters_are_quoted_and_deleted_conversations_left_out() -> None:
    query = conversation_query(ConversationListRequest(agent="a' OR '1'='1", status=("idle", "expired")))
    assert "OpspawnAgent = 'a\\' OR \\'1\\'=\\'1'" in query
    assert "(ExecutionStatus = 'Running' AND OpspawnStatus = 'idle') OR ExecutionStatus != 'Running'" in query
    assert "OpspawnStatus != 'deleted'" in query
    assert "WorkflowType = 'Conversation'" in query


def test_a_conversation_that_begins_with_a_message_is_running_its_first_turn() -> None:
    new = ConversationInput(agent="clerk", title="Hi", message=MESSAGE)
    memo = conversation_memo("conversation-1", new, "hash")
    assert conversation_search_attributes(new).get(STATUS) == "running"
    assert memo["conversation"] == ConversationSummary(turns=1, current_task_id="conversation-1-m1")
    assert (memo["title"], memo["body_hash"]) == ("Hi", "hash")


@pytest.mark.parametrize(
    ("recorded", "status", "fields", "expected"),
    [
        ("idle", WorkflowExecutionStatus.RUNNING, {}, "idle"),
        ("running", WorkflowExecutionStatus.RUNNING, {"current_task_id": "t"}, "running"),
        ("expired", WorkflowExecutionStatus.COMPLETED, {}, "expired"),
        ("running", WorkflowExecutionStatus.TERMINATED, {"current_task_id": "t"}, "expired"),
        ("deleted", WorkflowExecutionStatus.COMPLETED, {}, "deleted"),
    ],
    ids=["idle", "running", "expired", "terminated", "deleted"],
)
async def test_the_status_is_that_of_the_workflow_and_its_turn(
    recorded: str, status: WorkflowExecutionStatus, fields: dict[str, object], expected: str
) -> None:
    listed = await listed_conversation(execution(summary(**fields), attributes(recorded), status), URLS)
    assert listed.status == expected


async def test_a_running_turn_that_waits_for_a_person_makes_its_conversation_wait() -> None:
    running = execution(summary(current_task_id="t"), attributes("running"))
    assert (await listed_conversation(running, URLS, is_waiting=True)).status == "waiting"


async def test_an_ended_conversation_has_no_running_turn_and_no_queue() -> None:
    ended = execution(
        summary(current_task_id="t", queued=2, turns=3), attributes("expired"), WorkflowExecutionStatus.COMPLETED
    )
    listed = await listed_conversation(ended, URLS)
    assert (listed.current_task_id, listed.queued, listed.turns) == (None, 0, 3)


async def test_the_times_are_those_of_the_workflows_first_run() -> None:
    created = datetime(2025, 1, 2, tzinfo=UTC)
    listed = await listed_conversation(execution(summary(created_at=created), attributes("idle")), URLS)
    first = await listed_conversation(execution(summary(), attributes("idle")), URLS)
    assert (listed.created_at, first.created_at) == (created, CREATED_AT)


async def test_a_memo_that_is_no_conversation_is_left_out_of_lists_and_an_error_elsewhere() -> None:
    damaged = execution({"conversation": {"turns": "many"}}, attributes("idle"))
    assert (await listed_conversation(damaged, URLS)).turns == 0
    with pytest.raises(PayloadUnavailable):
        await listed_conversation(damaged, URLS, complete=True)
