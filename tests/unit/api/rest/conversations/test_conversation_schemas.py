from __future__ import annotations

import pytest
from pydantic import BaseModel

from api.rest.conversations.conversation_schemas import (
    ChangeConversationRequest,
    ConversationListResponse,
    ConversationResponse,
    CreateConversationRequest,
    ForkOfConversationRequest,
    SendTurnRequest,
    TurnListResponse,
)

CONTRACT_FIELDS = {
    *(
        "id",
        "agent",
        "model",
        "status",
        "title",
        "tenant",
        "user",
        "tags",
        "metadata",
        "on_busy",
        "turns",
        "current_task_id",
    ),
    *("queued", "usage", "created_at", "updated_at", "expires_at", "forked_from", "links"),
}


@pytest.mark.parametrize(
    "model",
    [
        ChangeConversationRequest,
        ConversationListResponse,
        ConversationResponse,
        CreateConversationRequest,
        ForkOfConversationRequest,
        SendTurnRequest,
        TurnListResponse,
    ],
)
def test_examples_are_valid(model: type[BaseModel]) -> None:
    schema = model.model_config["json_schema_extra"]
    assert isinstance(schema, dict)
    model.model_validate(schema["example"])


def test_a_conversation_has_every_field_of_the_contract() -> None:
    assert set(ConversationResponse.model_fields) == CONTRACT_FIELDS
