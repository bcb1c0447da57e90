from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentkit.errors import AlreadyAnswered, AnswerInvalid, AnswerMismatch, InputRequestNotFound
from agentkit.input_requests import InputAnswer, InputRequest
from agentkit.runtime.open_requests import OpenRequests

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
    assert requests.settled(first.id).decision == "deny"


@pytest.mark.parametrize(
    ("kind", "decisions"),
    [("approval", {"approve", "deny"}), ("unknown_outcome", {"happened", "retry", "give_up"})],
)
def test_each_kind_takes_its_own_decisions(kind: str, decisions: set[str]) -> None:
    taken = set()
    for decision in ("approve", "deny", "answer", "decline", "happened", "retry", "give_up", "raise", "stop"):
        requests = OpenRequests()
        try:
            requests.answer(answer(request(requests, kind=kind), decision), NOW)
            taken.add(decision)
        except AnswerMismatch:
            pass
    assert taken == decisions


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"input_request_id": "input_9"}, InputRequestNotFound, id="unknown"),
        pytest.param({"sha256": "0"}, AnswerMismatch, id="another hash"),
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
    with pytest.raises(AlreadyAnswered, match="expired at 2026-11-26T01:00:00"):
        requests.answer(answer(second), NOW + timedelta(hours=1))


def test_two_approvals_of_different_people_settle_a_request_for_two_and_one_denial_does() -> None:
    requests = OpenRequests()
    first, second = request(requests, count=2), request(requests, count=2)
    assert not requests.answer(answer(first, answered_by="ada"), NOW)
    with pytest.raises(AnswerMismatch, match="ada has approved it already"):
        requests.answer(answer(first, answered_by="ada"), NOW)
    assert requests.answer(answer(first, answered_by="grace"), NOW)
    assert requests.answer(answer(second, "deny", answered_by="ada"), NOW)


def test_an_expiry_does_not_replace_a_persons_answer_of_the_same_moment() -> None:
    requests = OpenRequests()
    opened = request(requests)
    requests.answer(answer(opened, answered_by="ada"), NOW)
    requests.settle(answer(opened, "deny", answered_by="expiry"))
    assert (requests.settled(opened.id).decision, requests.settled(opened.id).by) == ("approve", "ada")


def test_a_withdrawn_request_takes_no_answer() -> None:
    requests = OpenRequests()
    opened = request(requests)
    requests.withdraw(opened.id)
    with pytest.raises(InputRequestNotFound, match="Pending: none"):
        requests.answer(answer(opened), NOW)
