from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from agentkit.messages import user_message
from agentkit.specs import AgentSpec
from workflows.conversations.conversation_types import (
    CHANGE_CONVERSATION,
    CONVERSATION_QUERY,
    CONVERSATION_TYPE,
    DELETE_CONVERSATION,
    MEMO_CONVERSATION,
    SEND_TO_CONVERSATION,
    TURNS_QUERY,
    ConversationInput,
    ConversationMessage,
    Turn,
    turn_task_id,
)

AGENT = AgentSpec(name="a", models=("demo:demo",), planner="tools")


def test_the_names_that_histories_hold_stay() -> None:
    names = (CONVERSATION_TYPE, SEND_TO_CONVERSATION, CHANGE_CONVERSATION, DELETE_CONVERSATION)
    assert names == ("Conversation", "send_message", "change", "delete")
    assert (CONVERSATION_QUERY, TURNS_QUERY, MEMO_CONVERSATION) == ("conversation", "turns", "conversation")
    assert turn_task_id("conversation-1", "m1") == "conversation-1-m1"


def test_what_is_not_set_takes_no_byte_of_history() -> None:
    message = ConversationMessage(id="m1", agent=AGENT, message=user_message("Hello."))
    assert set(json.loads(message.canonical_json())) == {"id", "agent", "message", "title"}
    written = json.loads(ConversationInput(agent="a").canonical_json())
    assert set(written) == {"agent", "title", "tenant", "on_busy"}


@pytest.mark.parametrize("message_id", ["", "a/b", "a b", "x" * 65])
def test_a_message_id_that_can_not_be_part_of_a_task_id_is_refused(message_id: str) -> None:
    with pytest.raises(ValidationError):
        ConversationMessage(id=message_id, agent=AGENT, message=user_message("Hello."))


def test_a_turn_can_be_forked_once_it_has_ended() -> None:
    started = datetime(2026, 11, 28, tzinfo=UTC)
    turn = Turn(
        number=1,
        task_id="conversation-1-m1",
        message_id="m1",
        status="running",
        agent="a",
        model="demo:demo",
        input="Hello.",
        started_at=started,
    )
    assert turn.source("conversation-1") is None
    ended = turn.model_copy(update={"status": "completed", "version": 2, "end": 4, "digest": "0" * 32})
    source = ended.source("conversation-1")
    assert source is not None
    assert (source.workflow_id, source.version, source.end, source.digest) == ("conversation-1", 2, 4, "0" * 32)
