"""The input requests of a task: its memo and status show the open ones, and the workflow waits for their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue, ValidationError

    from agentkit.errors import AnswerInvalid, AnswerMismatch, InputRequestExpired
    from agentkit.input_requests import AnswerDecision, InputAnswer, InputRequest
    from agentkit.runtime.open_requests import OpenRequests
    from agentkit.validation_messages import validation_issues
    from workflows.journal import AnswerRefusedEntry, InputAnsweredEntry, InputRequestedEntry, JournalEntry
    from workflows.search_attributes import MEMO_INPUT_REQUESTS, STATUS

__all__ = ["HumanInput", "read_answer"]

_MAX_ARGUMENTS_BYTES = 2_000
"""Of one request in the memo, which lists and the inbox read."""
_MAX_LISTED = 20
"""Requests in the memo; further ones follow when these are answered."""
_MAX_REJECTED = 100
"""Answers of one run that are recorded though they are not accepted: history has no room for any number of them."""


class HumanInput:
    """Asks people; it opens requests, waits for answers, and applies what happens at their expiry."""

    def __init__(self, record: Callable[[Sequence[JournalEntry]], None], opened_count: int = 0) -> None:
        """Set up; ``record`` adds entries to the journal."""
        self._record = record
        self._requests = OpenRequests(opened_count)
        self._is_waiting = False
        self._rejected_count = 0

    @property
    def pending(self) -> tuple[InputRequest, ...]:
        """The requests that wait for an answer, oldest first."""
        return self._requests.pending

    @property
    def opened_count(self) -> int:
        """How many requests the task has opened so far."""
        return self._requests.opened_count

    def next_request_id(self) -> str:
        """Return the id of a new request."""
        return self._requests.next_id()

    async def ask(self, request: InputRequest) -> InputAnswer:
        """Open a request, and return the answer that settles it.

        Raises:
            InputRequestExpired: nobody answered in time, and the request ends the task then.
        """
        while True:
            self._requests.open(request)
            self._record([InputRequestedEntry(step=request.step, request=request)])
            self._show()
            if not await self._is_answered_in_time(request):
                if request.on_expiry == "escalate" and request.escalate_to:
                    request = _escalated(request)
                    continue
                self._expire(request)
            self._show()
            return self._requests.settled(request.id)

    async def _is_answered_in_time(self, request: InputRequest) -> bool:
        timeout = None if request.expires_at is None else max(request.expires_at - workflow.now(), timedelta(0))
        try:
            await workflow.wait_condition(
                lambda: self._requests.is_settled(request.id), timeout=timeout, timeout_summary=f"{request.id} expires"
            )
        except TimeoutError:
            return self._requests.is_settled(request.id)  # an answer may have arrived in the same moment
        except asyncio.CancelledError:  # the task is ending
            self._requests.withdraw(request.id)
            self._list()
            raise
        return True

    def answer(self, answer: InputAnswer) -> bool:
        """Record a person's answer; return whether it settles the request.

        Raises:
            AnswerInvalid: it is not accepted; the message has the reason.
        """
        is_settled = self._requests.answer(answer, workflow.now())
        self._record([self._answered(answer, is_settled=is_settled)])
        return is_settled

    def answer_by_signal(self, data: JsonValue) -> None:
        """Record an answer that came by signal; one that is not accepted is recorded in the journal, and no more."""
        try:
            self.answer(read_answer(data))
        except AnswerInvalid as error:
            request_id = data.get("input_request_id") if isinstance(data, dict) else None
            shown = request_id[:200] if isinstance(request_id, str) else None
            self._rejected_count += 1
            if self._rejected_count <= _MAX_REJECTED:
                self._record([AnswerRefusedEntry(step=0, input_request_id=shown, message=str(error))])

    def _expire(self, request: InputRequest) -> None:
        decision: AnswerDecision = "approve" if request.on_expiry == "approve" else "deny"
        answer = InputAnswer(
            input_request_id=request.id, decision=decision, by="expiry", comment="Nobody answered in time."
        )
        self._requests.settle(answer)
        self._record([self._answered(answer, is_settled=True)])
        if request.on_expiry == "fail":
            self._show()
            raise InputRequestExpired(f"Nobody answered {request.id} in time: {request.message}")

    def _answered(self, answer: InputAnswer, *, is_settled: bool) -> InputAnsweredEntry:
        return InputAnsweredEntry(
            step=self._requests.step_of(answer.input_request_id),
            input_request_id=answer.input_request_id,
            decision=answer.decision,
            is_settled=is_settled,
            by=answer.by,
            comment=answer.comment,
        )

    def _show(self) -> None:
        """Update the memo and the status."""
        self._list()
        if self._is_waiting != bool(self.pending):
            self._is_waiting = not self._is_waiting
            workflow.upsert_search_attributes([STATUS.value_set("waiting" if self._is_waiting else "running")])

    def _list(self) -> None:
        workflow.upsert_memo({MEMO_INPUT_REQUESTS: [_bounded(request) for request in self.pending[:_MAX_LISTED]]})


def read_answer(data: JsonValue) -> InputAnswer:
    """Return an answer from JSON.

    Raises:
        AnswerMismatch: the data is no answer; the message names the fields.
    """
    try:
        return InputAnswer.model_validate(data)
    except ValidationError as error:
        given = data if isinstance(data, Mapping) else {}
        issues = "; ".join(f"{issue.key}: {issue.message}" for issue in validation_issues(error, given))
        raise AnswerMismatch(f"This is no answer to an input request: {issues}") from error


def _escalated(request: InputRequest) -> InputRequest:
    """Return the request for those who are asked next; they get as much time, and then it is denied."""
    now = workflow.now()
    time = (request.expires_at or now) - request.opened_at
    update = {"approvers": request.escalate_to, "escalate_to": None, "on_expiry": "deny", "opened_at": now}
    return request.model_copy(update={**update, "expires_at": now + time})


def _bounded(request: InputRequest) -> InputRequest:
    arguments = request.arguments
    if arguments is None or len(request.canonical_json()) <= _MAX_ARGUMENTS_BYTES:
        return request
    return request.model_copy(update={"arguments": None})
