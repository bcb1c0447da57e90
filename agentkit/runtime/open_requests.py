"""The input requests of a task: which are open, and which answers are accepted."""

from __future__ import annotations

from datetime import datetime

from agentkit.errors import AnswerMismatch, AnswerTooLate, InputRequestNotFound
from agentkit.input_requests import DECISIONS, InputAnswer, InputRequest

__all__ = ["OpenRequests"]

_MAX_LISTED = 10


class OpenRequests:
    """Opens input requests and collects their answers; it does no I/O."""

    def __init__(self, opened_count: int = 0) -> None:
        self.opened_count = opened_count
        """How many the task has opened so far; each is named by its number."""
        self._open: dict[str, InputRequest] = {}
        self._approvals: dict[str, list[InputAnswer]] = {}
        self._settled: dict[str, InputAnswer] = {}
        """The answers that settle requests."""

    @property
    def pending(self) -> tuple[InputRequest, ...]:
        """The requests without a settling answer, oldest first."""
        return tuple(request for request in self._open.values() if request.id not in self._settled)

    def next_id(self) -> str:
        """Return the id of the next request."""
        self.opened_count += 1
        return f"input_{self.opened_count}"

    def open(self, request: InputRequest) -> None:
        """Add a request."""
        self._open[request.id] = request

    def answer(self, answer: InputAnswer, at: datetime) -> bool:
        """Record an answer; return whether it settles the request, or more people must approve.

        Raises:
            InputRequestNotFound: there is no such request.
            AnswerTooLate: it is settled, or expired at this time.
            AnswerMismatch: the decision isn't one of its kind, the hash is another one, or this person has approved.
        """
        request = self._request(answer.input_request_id)
        if request.id in self._settled:
            raise AnswerTooLate(f"{request.id} is answered already: {self._settled[request.id].decision}.")
        if request.expires_at is not None and at >= request.expires_at:
            raise AnswerTooLate(f"{request.id} expired at {request.expires_at.isoformat(timespec='seconds')}.")
        decisions = DECISIONS.get(request.kind, ())
        if answer.decision not in decisions:
            raise AnswerMismatch(
                f"{answer.decision!r} is no decision on {request.id} ({request.kind}): it takes {', '.join(decisions)}."
            )
        if answer.sha256 is not None and answer.sha256 != request.sha256:
            raise AnswerMismatch(
                f"{request.id} is about another call or other arguments: its sha256 is {request.sha256}."
            )
        return self._count(request, answer)

    def settle(self, answer: InputAnswer) -> None:
        """Settle an open request by an answer that no person gave, such as at its expiry; a person's answer stays."""
        if answer.input_request_id in self._open:
            self._settled.setdefault(answer.input_request_id, answer)

    def is_settled(self, request_id: str) -> bool:
        """Return whether the request has its answer."""
        return request_id in self._settled

    def settled(self, request_id: str) -> InputAnswer:
        """Return the answer that settles a request. The request stays known, so that later answers are too late."""
        return self._settled[request_id]

    def withdraw(self, request_id: str) -> None:
        """Remove a request that needs no answer any more."""
        self._open.pop(request_id, None)

    def step_of(self, request_id: str) -> int:
        """Return the step that opened a request."""
        return self._open[request_id].step

    def _request(self, request_id: str) -> InputRequest:
        if request_id in self._open:
            return self._open[request_id]
        pending = ", ".join(request.id for request in self.pending[:_MAX_LISTED]) or "none"
        raise InputRequestNotFound(f"The task has no input request {request_id[:200]!r}. Pending: {pending}.")

    def _count(self, request: InputRequest, answer: InputAnswer) -> bool:
        if answer.decision == "approve":
            approvals = self._approvals.setdefault(request.id, [])
            if request.count > 1 and any(earlier.by == answer.by for earlier in approvals):
                who = answer.by or "someone without a name"
                raise AnswerMismatch(f"{request.id} needs {request.count} people, and {who} has approved it already.")
            approvals.append(answer)
            if len(approvals) < request.count:
                return False
        self._settled[request.id] = answer
        return True
