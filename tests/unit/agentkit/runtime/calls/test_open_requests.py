from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentkit.errors import (
    AlreadyAnswered,
    AnswerExpired,
    AnswerInvalid,
    AnswerMismatch,
    AnswerNotAllowed,
    AnswerOutdated,
    InputRequestNotFound,
)
from agentkit.input_requests import InputAnswer, InputRequest
from agentkit.runtime.calls.open_requests import OpenRequests

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def request(requests: OpenRequests, **fields: Any) -> InputRequest:
    given = {"id": requests.next_id(), "kind": "approval", "step": 1, "message": "?", "opened_at": NOW, **fields}
    opened = InputRequest(**given)
    requests.open(opened)
    return opened


def answer(opened: InputRequest, decision: str = "approve", **fields: Any) -> InputAnswer:
    return InputAnswer.model_validate({"input_request_id": opened.id, "decision": decision, **fields})


def test_requests_are_numbered_on_from_those_of_earlier_runs() -> None:
    requests = OpenRequests(opened_count=7)
    assert request(requests).id == "input_8"
    assert requests.opened_count == 8


def test_a_settled_request_is_not_pending_and_its_siblings_are() -> None:
    requests = OpenRequests()
    first, second = request(requests), request(requests)
    assert requests.answer(answer(first, "deny"), NOW)
    assert requests.pending == (second,)
    assert (requests.is_settled(first.id), requests.is_settled(second.id)) == (True, False)
    assert requests.settling_answer(first.id).decision == "deny"


@pytest.mark.parametrize(
    ("kind", "decisions"),
    [
        ("approval", {"approve", "deny"}),
        ("question", {"answer", "decline"}),
        ("elicitation", {"answer", "decline"}),
        ("unknown_outcome", {"happened", "retry", "give_up"}),
        ("limit", {"raise", "stop"}),
    ],
)
def test_each_kind_takes_its_own_decisions(kind: str, decisions: set[str]) -> None:
    taken = set()
    needed: dict[str, dict[str, Any]] = {"answer": {"answer": "yes"}, "raise": {"limits": {"max_steps": 5}}}
    for decision in ("approve", "deny", "answer", "decline", "happened", "retry", "give_up", "raise", "stop"):
        requests = OpenRequests()
        try:
            fields = needed.get(decision, {})
            requests.answer(answer(request(requests, kind=kind), decision, **fields), NOW)
            taken.add(decision)
        except AnswerMismatch:
            pass
    assert taken == decisions


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"input_request_id": "input_9"}, InputRequestNotFound, id="unknown"),
        pytest.param({"sha256": "0"}, AnswerOutdated, id="another hash"),
        pytest.param({"decision": "deny", "arguments": {}}, AnswerMismatch, id="arguments of a denial"),
        pytest.param({"answer": "yes"}, AnswerMismatch, id="an answer to no question"),
        pytest.param({"limits": {"max_steps": 5}}, AnswerMismatch, id="limits of no limit"),
        pytest.param({"result": "yes"}, AnswerMismatch, id="a result of no outcome"),
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(fields: dict[str, Any], error: type[AnswerInvalid]) -> None:
    requests = OpenRequests()
    opened = request(requests, sha256="1")
    with pytest.raises(error):
        requests.answer(answer(opened, **fields), NOW)
    assert requests.pending == (opened,)


def test_answers_after_the_first_or_after_the_expiry_are_too_late() -> None:
    requests = OpenRequests()
    first, second = request(requests), request(requests, expires_at=NOW + timedelta(hours=1))
    requests.answer(answer(first), NOW)
    with pytest.raises(AlreadyAnswered, match="answered already: approve"):
        requests.answer(answer(first, "deny"), NOW)
    with pytest.raises(AnswerExpired, match="expired at 2026-11-26T01:00:00"):
        requests.answer(answer(second), NOW + timedelta(hours=1))


def test_a_denial_forestalls_an_expiry_that_approves_until_it_is_applied() -> None:
    requests, late = OpenRequests(), NOW + timedelta(hours=2)
    terms: dict[str, Any] = {"expires_at": NOW + timedelta(hours=1), "on_expiry": "approve"}
    first, second = request(requests, **terms), request(requests, **terms)
    with pytest.raises(AnswerExpired):
        requests.answer(answer(first, "approve"), late)
    assert requests.answer(answer(first, "deny"), late)
    requests.settle(answer(second, "approve"), is_expiry=True)
    with pytest.raises(AnswerExpired):
        requests.answer(answer(second, "deny"), late)


def test_two_approvals_of_different_people_settle_a_request_for_two_and_one_denial_does() -> None:
    requests = OpenRequests()
    first, second = request(requests, count=2), request(requests, count=2)
    assert not requests.answer(answer(first, answered_by="ada"), NOW)
    for same in ("ada", "Ada", " ada ", "ada\u200b", "\uff41da"):
        with pytest.raises(AnswerNotAllowed, match="has approved it already"):
            requests.answer(answer(first, answered_by=same), NOW)
    assert requests.answer(answer(first, answered_by="grace"), NOW)
    assert requests.answer(answer(second, "deny", answered_by="ada"), NOW)


@pytest.mark.parametrize(
    ("fields", "is_allowed"),
    [
        ({"answered_by": "ada"}, True),
        ({"answered_by": "eve", "groups": ["finance"]}, True),
        ({"answered_by": "eve", "groups": ["sales"]}, False),
        ({"answered_by": "eve"}, False),
        ({"answered_by": "Ada"}, False),
        ({"groups": ["finance"]}, False),
        ({}, False),
    ],
)
def test_only_those_who_are_named_or_in_a_named_group_may_answer(fields: dict[str, Any], *, is_allowed: bool) -> None:
    requests = OpenRequests()
    opened = request(requests, approvers=["ada", "finance"])
    if is_allowed:
        assert requests.answer(answer(opened, **fields), NOW)
        return
    with pytest.raises(AnswerNotAllowed, match="input_1 is for ada, finance"):
        requests.answer(answer(opened, **fields), NOW)


def test_an_answer_after_the_expiry_was_applied_is_expired_not_answered() -> None:
    requests = OpenRequests()
    opened = request(requests, expires_at=NOW)
    requests.settle(answer(opened, "deny", answered_by="expiry"), is_expiry=True)
    with pytest.raises(AnswerExpired):
        requests.answer(answer(opened), NOW)


def test_a_question_takes_one_of_its_choices_or_text() -> None:
    requests = OpenRequests()
    choice, free = request(requests, kind="question", choices=["red", "blue"]), request(requests, kind="question")
    for opened, wrong in ((choice, "green"), (choice, None), (free, " "), (free, 5), (free, None)):
        with pytest.raises(AnswerMismatch):
            requests.answer(answer(opened, "answer", answer=wrong), NOW)
    assert requests.answer(answer(choice, "answer", answer="red"), NOW)
    assert requests.answer(answer(free, "answer", answer="the red one"), NOW)


def test_approvals_so_far_are_shown_and_one_of_several_cannot_be_remembered() -> None:
    requests = OpenRequests()
    opened = request(requests, count=2)
    with pytest.raises(AnswerNotAllowed, match="say who answers"):
        requests.answer(answer(opened), NOW)
    with pytest.raises(AnswerMismatch, match="remembered"):
        requests.answer(answer(opened, answered_by="ada", remember="task"), NOW)
    requests.answer(answer(opened, answered_by="ada"), NOW)
    assert [given.answered_by for given in requests.pending[0].answers] == ["ada"]


def test_a_request_of_an_earlier_run_is_no_longer_open() -> None:
    requests = OpenRequests(opened_count=3)
    with pytest.raises(AlreadyAnswered, match="input_2 is no longer open"):
        requests.answer(InputAnswer(input_request_id="input_2", decision="approve"), NOW)


def test_an_expiry_does_not_replace_a_persons_answer_of_the_same_moment() -> None:
    requests = OpenRequests()
    opened = request(requests)
    requests.answer(answer(opened, answered_by="ada"), NOW)
    requests.settle(answer(opened, "deny", answered_by="expiry"))
    settling = requests.settling_answer(opened.id)
    assert (settling.decision, settling.answered_by) == ("approve", "ada")


def test_a_withdrawn_request_takes_no_answer() -> None:
    requests = OpenRequests()
    opened = request(requests)
    requests.withdraw(opened.id)
    with pytest.raises(AlreadyAnswered, match="no longer open"):
        requests.answer(answer(opened), NOW)


@pytest.mark.parametrize("value", [None, True, "yes", {"done": True}])
def test_a_visit_to_a_page_is_answered_with_or_without_a_value(value: Any) -> None:
    requests = OpenRequests()
    opened = request(requests, kind="elicitation", url="https://pay.example/1")

    assert requests.answer(answer(opened, "answer", answer=value), NOW)


@pytest.mark.parametrize("fields", [{"remember": "task"}, {"arguments": {}}], ids=["remember", "arguments"])
def test_an_approval_of_something_else_than_a_call_has_nothing_to_remember_or_to_change(fields: dict[str, Any]) -> None:
    requests = OpenRequests()
    opened = request(requests, tool="sampling/createMessage", arguments={"messages": []})

    with pytest.raises(AnswerMismatch, match="not about a call"):
        requests.answer(answer(opened, **fields), NOW)
