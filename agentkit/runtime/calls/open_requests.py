"""The input requests of a task: which are open, and which answers are accepted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agentkit.errors import (
    AlreadyAnswered,
    AnswerExpired,
    AnswerMismatch,
    AnswerNotAllowed,
    AnswerOutdated,
    InputRequestNotFound,
)
from agentkit.input_requests import (
    DECISIONS,
    AnswerDecision,
    GivenAnswer,
    InputAnswer,
    InputRequest,
    changed_arguments,
)
from agentkit.runtime.text_folding import fold

__all__ = ["OpenRequests"]

_MAX_LISTED = 10
_ID_PREFIX = "input_"

_FIELD_DECISIONS: dict[str, tuple[AnswerDecision, ...]] = {
    "arguments": ("approve",),
    "answer": ("answer",),
    "result": ("happened",),
    "limits": ("raise",),
    "remember": ("approve", "deny"),
}
"""The decisions that a field of an answer can be given with."""


class OpenRequests:
    """Opens input requests and collects their answers; it does no I/O."""

    def __init__(self, opened_count: int = 0, pending: Sequence[InputRequest] = ()) -> None:
        """Set up with what an earlier run of the task has opened."""
        self.opened_count = opened_count
        """How many the task has opened so far; each is named by its number."""
        self._open = {request.id: request for request in pending}
        self._settled: dict[str, InputAnswer] = {}
        """The answers that settle requests."""
        self._expired: set[str] = set()

    @property
    def pending(self) -> tuple[InputRequest, ...]:
        """The requests without a settling answer, oldest first."""
        return tuple(request for request in self._open.values() if request.id not in self._settled)

    def next_id(self) -> str:
        """Return the id of the next request."""
        self.opened_count += 1
        return f"{_ID_PREFIX}{self.opened_count}"

    def open(self, request: InputRequest) -> None:
        """Add a request, or replace the one of this id."""
        self._open[request.id] = request

    def check(self, answer: InputAnswer, at: datetime) -> InputRequest:
        """Return the request that an answer is about, if ``answer`` would accept it at this time.

        Raises:
            AnswerInvalid: it would not; see ``answer``.
        """
        request = self._pending_request(answer.input_request_id)
        if request.expires_at is not None and at >= request.expires_at and not _forestalls_expiry(request, answer):
            raise _expired(request)
        _check_decision(request, answer)
        if answer.sha256 is not None and answer.sha256 != request.sha256:
            raise AnswerOutdated(
                f"{request.id} is about another call or other arguments: its sha256 is {request.sha256}."
            )
        _check_person(request, answer)
        return request

    def answer(self, answer: InputAnswer, at: datetime) -> bool:
        """Record an answer; return whether it settles the request, or more people must approve.

        Raises:
            InputRequestNotFound: there is no such request.
            AlreadyAnswered: it is settled, or no longer open.
            AnswerExpired: it expired before this time.
            AnswerOutdated: the hash is another one.
            AnswerNotAllowed: this person may not answer, or has approved already.
            AnswerMismatch: the decision or its fields don't fit the request.
        """
        request = self.check(answer, at)
        if answer.decision == "approve" and changed_arguments(request, answer) is None:
            given = GivenAnswer(decision=answer.decision, answered_by=answer.answered_by, at=at)
            if len(request.answers) + 1 < request.count:
                self._open[request.id] = request.model_copy(update={"answers": (*request.answers, given)})
                return False
        self._settled[request.id] = answer
        return True

    def settle(self, answer: InputAnswer, *, is_expiry: bool = False) -> None:
        """Settle an open request by an answer that no person gave to it; a person's answer stays."""
        if answer.input_request_id in self._open and answer.input_request_id not in self._settled:
            self._settled[answer.input_request_id] = answer
            if is_expiry:
                self._expired.add(answer.input_request_id)

    def is_settled(self, request_id: str) -> bool:
        """Return whether the request has its answer."""
        return request_id in self._settled

    def settling_answer(self, request_id: str) -> InputAnswer:
        """Return the answer that settles a request. The request stays known, so that later answers are too late."""
        return self._settled[request_id]

    def withdraw(self, request_id: str) -> None:
        """Remove a request that needs no answer any more."""
        self._open.pop(request_id, None)

    def step_of(self, request_id: str) -> int:
        """Return the step that opened a request."""
        return self._open[request_id].step

    def _pending_request(self, request_id: str) -> InputRequest:
        if request_id in self._expired:
            raise _expired(self._open[request_id])
        if request_id in self._settled:
            settled = self._settled[request_id]
            by = f" by {settled.answered_by}" if settled.answered_by else ""
            raise AlreadyAnswered(f"{request_id} is answered already: {settled.decision}{by}.")
        if request_id in self._open:
            return self._open[request_id]
        number = request_id.removeprefix(_ID_PREFIX)
        if request_id.startswith(_ID_PREFIX) and number.isdecimal() and 1 <= int(number[:9]) <= self.opened_count:
            raise AlreadyAnswered(f"{request_id} is no longer open.")
        pending = ", ".join(request.id for request in self.pending[:_MAX_LISTED]) or "none"
        raise InputRequestNotFound(f"The task has no input request {request_id[:200]!r}. Pending: {pending}.")


def _forestalls_expiry(request: InputRequest, answer: InputAnswer) -> bool:
    """Return whether an answer denies what expiry would approve: it may have come in time, while no worker ran."""
    return request.on_expiry == "approve" and answer.decision == "deny"


def _check_decision(request: InputRequest, answer: InputAnswer) -> None:
    decisions = DECISIONS[request.kind]
    if answer.decision not in decisions:
        raise AnswerMismatch(
            f"{answer.decision!r} is no decision on {request.id} ({request.kind}): it takes {', '.join(decisions)}."
        )
    for field, fitting in _FIELD_DECISIONS.items():
        if getattr(answer, field) is not None and answer.decision not in fitting:
            raise AnswerMismatch(f"{field} can't be given with {answer.decision!r}, only with {' or '.join(fitting)}.")
    if answer.decision == "raise" and answer.limits is None:
        raise AnswerMismatch('raise needs limits, such as {"max_steps": 60}.')
    if answer.decision == "approve" and answer.remember is not None and request.count > 1:
        raise AnswerMismatch(f"{request.id} needs {request.count} people, so one of them can't have it remembered.")
    if request.sha256 is None and (answer.remember is not None or answer.arguments is not None):
        raise AnswerMismatch(f"{request.id} is not about a call of a tool: remember and arguments don't go with it.")
    if answer.remember is not None and changed_arguments(request, answer) is not None:
        raise AnswerMismatch("remember can't be given with changed arguments: nobody has been asked about these yet.")
    if answer.decision == "answer":
        _check_text(request, answer)


def _check_text(request: InputRequest, answer: InputAnswer) -> None:
    """Check the answer to a question without a schema; that to one with a schema is checked by an activity.

    Whatever is answered to a page means that it was visited.
    """
    if request.url is not None:
        return
    if request.choices is not None and answer.answer not in request.choices:
        raise AnswerMismatch(f"{request.id} takes one of its choices as answer: {', '.join(request.choices)}.")
    if request.answer_schema is None and not (isinstance(answer.answer, str) and answer.answer.strip()):
        raise AnswerMismatch(f"{request.id} takes text as answer.")


def _check_person(request: InputRequest, answer: InputAnswer) -> None:
    person = answer.answered_by
    if request.approvers is not None:
        asked = f"{request.id} is for {', '.join(request.approvers)}"
        if person is None:
            raise AnswerNotAllowed(f"{asked}: say who answers, in answered_by, and the groups, in groups.")
        if not {person, *answer.groups} & set(request.approvers):
            raise AnswerNotAllowed(f"{asked}, and {person} is none of them, nor in one of these groups.")
    if request.count > 1 and answer.decision == "approve":
        if person is None:
            raise AnswerNotAllowed(f"{request.id} needs {request.count} people: say who answers, in answered_by.")
        if any(fold(earlier.answered_by or "") == fold(person) for earlier in request.answers):
            raise AnswerNotAllowed(f"{request.id} needs {request.count} people, and {person} has approved it already.")


def _expired(request: InputRequest) -> AnswerExpired:
    expires_at = request.expires_at
    at = f" at {expires_at.isoformat(timespec='seconds')}" if expires_at else ""
    return AnswerExpired(f"{request.id} expired{at}.")
