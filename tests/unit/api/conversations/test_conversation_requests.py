from __future__ import annotations

import pytest
from pydantic import ValidationError

from api.conversations.conversation_requests import (
    ConversationChange,
    ConversationForkRequest,
    NewConversation,
    TurnListRequest,
    TurnRequest,
)
from api.tasks.errors import RequestInvalid
from api.tasks.requests.request_validation import ServiceRequest, parse_request


@pytest.mark.parametrize(
    ("kind", "fields", "path"),
    [
        (NewConversation, {"agent": ""}, ("agent",)),
        (NewConversation, {"agent": "a", "tags": ["'"]}, ("tags", 0)),
        (NewConversation, {"agent": "a", "message": []}, ("message",)),
        (TurnRequest, {}, ("input",)),
        (TurnRequest, {"input": "x", "limits": {"max_steps": 0}}, ("limits", "max_steps")),
        (ConversationChange, {}, ()),
        (ConversationChange, {"title": "a\n"}, ("title",)),
        (ConversationForkRequest, {}, ("from_turn",)),
        (ConversationForkRequest, {"from_turn": "1"}, ("from_turn",)),
        (TurnListRequest, {"cursor": "x"}, ("cursor",)),
    ],
    ids=["agent", "tag", "message", "input", "limits", "nothing", "title", "turn", "text", "cursor"],
)
def test_the_path_of_an_issue_leads_to_the_field(
    kind: type[ServiceRequest], fields: dict[str, object], path: tuple[str | int, ...]
) -> None:
    with pytest.raises(RequestInvalid) as raised:
        parse_request(kind, fields)
    assert [issue.path for issue in raised.value.issues] == [path]


def test_the_expiry_may_be_text() -> None:
    assert NewConversation.model_validate({"agent": "a", "idle_expiry": "30d"}).idle_expiry == 30 * 86_400


def test_a_change_of_the_model_to_none_is_a_change() -> None:
    assert ConversationChange(model=None).model_fields_set == {"model"}
    with pytest.raises(ValidationError):
        ConversationChange()


@pytest.mark.parametrize(
    ("fields", "after"), [({}, 0), ({"start": 3}, 2), ({"cursor": "50"}, 50)], ids=["first", "start", "cursor"]
)
def test_a_page_of_turns_begins_after_a_turn(fields: dict[str, object], after: int) -> None:
    assert TurnListRequest.model_validate(fields).after == after
