from __future__ import annotations

import pytest

from agentkit.input_requests import InputAnswer
from agentkit.specs import RaisedLimits
from api.tasks.errors import RequestInvalid
from api.tasks.requests.request_validation import parse_request
from api.tasks.requests.steering_requests import AnswerRequest, ForkRequest, InboxRequest, MessageRequest
from workflows.task_types import SentMessage


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("90", 90), ("1.5", 1.5), ("1e2", 100), ("1h30m", 5400), ("250ms", 0.25), (60, 60)],
)
def test_the_age_of_requests_is_seconds_or_a_duration(value: object, seconds: float) -> None:
    assert parse_request(InboxRequest, {"older_than": value}).older_than == seconds


@pytest.mark.parametrize("value", ["", "soon", "-5", "0", "nan", "inf", "1e400", "1" * 5_000])
def test_other_ages_are_refused(value: str) -> None:
    with pytest.raises(RequestInvalid, match="older_than"):
        parse_request(InboxRequest, {"older_than": value})


@pytest.mark.parametrize("name", ["agent", "approver"])
@pytest.mark.parametrize("value", ["\0", "a\0b", "\n", ""])
def test_names_that_temporal_can_not_search_for_are_refused(name: str, value: str) -> None:
    with pytest.raises(RequestInvalid, match=name):
        parse_request(InboxRequest, {name: value})


@pytest.mark.parametrize("value", [True, "1", 1.5, -1, 10**30, None])
def test_the_step_of_a_fork_is_a_whole_number(value: object) -> None:
    with pytest.raises(RequestInvalid, match="from_step"):
        parse_request(ForkRequest, {"from_step": value})


def test_an_answer_keeps_its_fields() -> None:
    request = parse_request(
        AnswerRequest,
        {
            "decision": "raise",
            "limits": {"max_steps": 60},
            "answered_by": "ada",
            "groups": ["finance"],
            "comment": "Go.",
        },
    )
    assert request.answer_to("input_3") == InputAnswer(
        input_request_id="input_3",
        decision="raise",
        limits=RaisedLimits(max_steps=60),
        answered_by="ada",
        groups=("finance",),
        comment="Go.",
    )


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "decision"),
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "approve", "remember": "always"}, "remember"),
        ({"decision": "approve", "arguments": [1]}, "arguments"),
        ({"decision": "raise", "limits": {}}, "limits"),
        ({"decision": "raise", "limits": {"max_steps": "60"}}, "limits.max_steps"),
        ({"decision": "approve", "answered_by": ""}, "answered_by"),
        ({"decision": "approve", "answered_by": " "}, "answered_by"),
        ({"decision": "approve", "groups": [""]}, "groups.0"),
        ({"decision": "approve", "groups": ["\t"]}, "groups.0"),
        ({"decision": "approve", "by": "ada"}, "by"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_field(fields: dict[str, object], path: str) -> None:
    with pytest.raises(RequestInvalid) as raised:
        parse_request(AnswerRequest, fields)
    assert [".".join(map(str, issue.path)) for issue in raised.value.issues] == [path]


def test_a_message_gets_its_id() -> None:
    body = {"text": "Use euros.", "mode": "interrupt", "sent_by": "ada", "pinned": True}
    sent = parse_request(MessageRequest, body).message("m1")
    assert sent == SentMessage(text="Use euros.", mode="interrupt", id="m1", sent_by="ada", pinned=True)
    assert sent.message.pinned


def test_a_fork_has_only_the_limits_that_it_sets() -> None:
    assert parse_request(ForkRequest, {"from_step": 0, "limits": {"max_steps": 3}}).limit_changes == {"max_steps": 3}
    assert parse_request(ForkRequest, {"from_step": 0}).limit_changes == {}
