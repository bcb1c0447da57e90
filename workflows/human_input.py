"""The input requests of a task: its memo and status show the open ones, and the workflow waits for their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue, ValidationError

    from activities.payload_types import CHECK_INPUT_ACTIVITY, InputCheck
    from activities.retry_policies import CHECK_INPUT_POLICY
    from agentkit.errors import AnswerInvalid, AnswerMismatch, InputRequestExpired
    from agentkit.input_requests import (
        DECISIONS,
        INTERRUPTION,
        AnswerDecision,
        InputAnswer,
        InputRequest,
        changed_arguments,
    )
    from agentkit.interfaces import PolicyDecision
    from agentkit.json_text import MAX_JSON_DEPTH, check_strict_json, is_deeper_than
    from agentkit.runtime.calls.open_requests import OpenRequests
    from agentkit.specs import RaisedLimits, ToolSpec
    from agentkit.validation.validation_messages import issues_text
    from workflows.listing.journal import AnswerRefusedEntry, InputAnsweredEntry, InputRequestedEntry, JournalEntry
    from workflows.listing.listed_state import ListedState, listed_requests
    from workflows.search_attributes import MEMO_INPUT_REQUESTS
    from workflows.task_types import AnswerVerdict
    from workflows.telemetry.task_reports import report_answered

__all__ = ["AnswerRules", "HumanInput", "read_answer"]

_MAX_REJECTED = 100
"""Answers of one run that are recorded though they are not accepted: history has no room for any number of them."""

_INTERRUPTED = InputAnswer(
    input_request_id="", decision="deny", answered_by=INTERRUPTION, comment="A person interrupted the step"
)

Record = Callable[..., None]
"""Adds entries to the journal, and upserts a memo in the same event."""


class AnswerRules(Protocol):
    """What an answer has to fit besides its request."""

    def tool(self, name: str) -> ToolSpec | None:
        """Return the agent's tool of this name."""
        ...

    def edited_decision(self, tool_name: str, arguments: dict[str, JsonValue]) -> PolicyDecision:
        """Return the policy's decision on changed arguments.

        Raises:
            AnswerMismatch: they are not allowed.
        """
        ...

    def check_limits(self, request: InputRequest, changes: RaisedLimits) -> None:
        """Check the limits of an answer.

        Raises:
            AnswerMismatch: one would be lowered, or is still reached.
        """
        ...


class HumanInput:
    """Asks people; it opens requests, waits for answers, and applies what happens at their expiry."""

    def __init__(
        self,
        record: Record,
        listed: ListedState,
        rules: AnswerRules,
        *,
        is_interrupted: Callable[[], bool],
        on_opened: Callable[[InputRequest], None],
        after_wait: Callable[[], None] = lambda: None,
        opened_count: int = 0,
        carried: Sequence[InputRequest] = (),
    ) -> None:
        """Set up; ``on_opened`` is called with each request that opens, or is given to others.

        ``after_wait`` is called when a request waits no more.
        ``carried`` are requests that were opened before the task continued as new; they are asked once more.
        """
        self._record = record
        self._listed = listed
        self._rules = rules
        self._is_interrupted = is_interrupted
        self._on_opened = on_opened
        self._after_wait = after_wait
        self._requests = OpenRequests(opened_count, carried)
        self._carried = {request.id for request in carried}
        self._asking: set[str] = set()
        """The ids of the requests whose answers ``ask`` is to return."""
        self._rejected_count = 0

    @property
    def has_unread_answers(self) -> bool:
        """Whether an answer has settled a request, and whoever asked has not been given it yet."""
        return any(map(self._requests.is_settled, self._asking))

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
        """Open a request, and return the answer that settles it. A message that interrupts the step denies it, unless
        it is about an unknown outcome or a limit.

        Raises:
            InputRequestExpired: nobody answered in time, and the request ends the task then.
        """
        self._asking.add(request.id)
        try:
            return await self._ask(request)
        finally:
            self._asking.discard(request.id)

    async def _ask(self, request: InputRequest) -> InputAnswer:
        while True:
            if request.id in self._carried:
                self._carried.discard(request.id)
            else:
                self._open(request)
            is_answered = await self._is_answered_in_time(request)
            self._after_wait()
            if not is_answered:
                if request.on_expiry == "escalate" and request.escalate_to:
                    request = _escalated(request)
                    continue
                self._expire(request)
            report_answered(request)
            return self._requests.settling_answer(request.id)

    def _open(self, request: InputRequest) -> None:
        self._requests.open(request)
        listed = listed_requests(self.pending)
        entry = InputRequestedEntry(step=request.step, input_request_id=request.id)
        is_listed = any(each.id == request.id for each in listed)
        self._update(entry if is_listed else entry.model_copy(update={"request": request}))
        self._on_opened(request)

    async def _is_answered_in_time(self, request: InputRequest) -> bool:
        timeout = None if request.expires_at is None else max(request.expires_at - workflow.now(), timedelta(0))
        try:
            await workflow.wait_condition(
                lambda: self._requests.is_settled(request.id) or self._is_to_interrupt(request),
                timeout=timeout,
                timeout_summary=f"{request.id} expires",
            )
        except TimeoutError:
            return self._requests.is_settled(request.id)  # an answer may have arrived in the same moment
        except asyncio.CancelledError:  # the task is ending
            self._requests.withdraw(request.id)
            self._update()
            raise
        if not self._requests.is_settled(request.id):
            self._settle(request, _INTERRUPTED.model_copy(update={"decision": DECISIONS[request.kind][-1]}))
        return True

    def _is_to_interrupt(self, request: InputRequest) -> bool:
        return request.kind not in ("unknown_outcome", "limit") and self._is_interrupted()

    def check(self, answer: InputAnswer) -> InputRequest:
        """Return the request that an answer is about, if it can be accepted.

        Raises:
            AnswerInvalid: it can't; the error's type and message have the reason.
        """
        request = self._requests.check(answer, workflow.now())
        if answer.limits is not None:
            self._rules.check_limits(request, answer.limits)
        if answer.arguments is not None:
            self._rules.edited_decision(request.tool or "", answer.arguments)
        return request

    async def answer(self, answer: InputAnswer) -> AnswerVerdict:
        """Record a person's answer, once its arguments or its value fit their schema.

        Raises:
            AnswerInvalid: it is not accepted; the error's type and message have the reason.
        """
        request = self.check(answer)
        answer = answer.model_copy(update={"arguments": changed_arguments(request, answer)})
        await self._check_schema(request, answer)
        is_edited = answer.arguments is not None
        asks_again = is_edited and self._asks_again(request, answer)
        is_settled = self._requests.answer(answer, workflow.now())
        self._update(self._answered(answer, is_settled=is_settled, is_edited=is_edited))
        return AnswerVerdict(is_settled=is_settled, asks_again=asks_again)

    def _asks_again(self, request: InputRequest, answer: InputAnswer) -> bool:
        decision = self._rules.edited_decision(request.tool or "", answer.arguments or {})
        return decision.action == "ask"

    async def _check_schema(self, request: InputRequest, answer: InputAnswer) -> None:
        """Check changed arguments or an answer against their schema, by an activity: it may take long.

        Raises:
            AnswerMismatch: they don't fit.
        """
        tool = self._rules.tool(request.tool or "")
        if answer.arguments is not None and tool is not None:
            check = InputCheck(value=answer.arguments, schema=tool.parameters)
        elif answer.decision == "answer" and request.answer_schema is not None:
            check = InputCheck(value=answer.answer, schema=request.answer_schema)
        else:
            return
        try:
            mismatch: str | None = await workflow.execute_activity(
                CHECK_INPUT_ACTIVITY,
                check,
                result_type=str,
                start_to_close_timeout=CHECK_INPUT_POLICY.start_to_close,
                heartbeat_timeout=CHECK_INPUT_POLICY.heartbeat,
                retry_policy=CHECK_INPUT_POLICY.retry,
                summary=f"Check the answer to {request.id}",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            raise AnswerMismatch(f"The answer to {request.id} can't be checked now: {error.cause}") from error
        if mismatch is not None:
            raise AnswerMismatch(f"The answer to {request.id} doesn't fit: {mismatch}")

    async def answer_by_signal(self, data: JsonValue) -> None:
        """Record an answer that came by signal; one that is not accepted is recorded in the journal, and no more."""
        try:
            await self.answer(read_answer(data))
        except AnswerInvalid as error:
            request_id = data.get("input_request_id") if isinstance(data, dict) else None
            self.reject(str(error), request_id[:200] if isinstance(request_id, str) else None)

    def reject(self, message: str, request_id: str | None = None) -> None:
        """Record in the journal that something which came by signal is not accepted; only the first hundred times."""
        self._rejected_count += 1
        if self._rejected_count <= _MAX_REJECTED:
            self._record([AnswerRefusedEntry(step=0, input_request_id=request_id, message=message)])

    def settle_limits(self, changes: RaisedLimits, is_lifted: Callable[[InputRequest], bool]) -> None:
        """Settle the requests for limits that a person has raised without answering them."""
        for request in self.pending:
            if request.kind == "limit" and is_lifted(request):
                self._settle(request, InputAnswer(input_request_id=request.id, decision="raise", limits=changes))

    def _settle(self, request: InputRequest, answer: InputAnswer, *, is_expiry: bool = False) -> None:
        answer = answer.model_copy(update={"input_request_id": request.id})
        self._requests.settle(answer, is_expiry=is_expiry)
        self._update(self._answered(answer, is_settled=True))

    def _expire(self, request: InputRequest) -> None:
        is_approved = request.kind == "approval" and request.on_expiry == "approve"
        decision: AnswerDecision = "approve" if is_approved else DECISIONS[request.kind][-1]
        answer = InputAnswer(
            input_request_id=request.id, decision=decision, answered_by="expiry", comment="Nobody answered in time."
        )
        self._settle(request, answer, is_expiry=True)
        if request.on_expiry == "fail":
            raise InputRequestExpired(f"Nobody answered {request.id} in time: {request.message}")

    def _answered(self, answer: InputAnswer, *, is_settled: bool, is_edited: bool = False) -> InputAnsweredEntry:
        return InputAnsweredEntry(
            step=self._requests.step_of(answer.input_request_id),
            input_request_id=answer.input_request_id,
            decision=answer.decision,
            is_settled=is_settled,
            answered_by=answer.answered_by,
            comment=answer.comment,
            remember=answer.remember,
            arguments_changed=is_edited or None,
            limits=answer.limits,
        )

    def _update(self, *entries: JournalEntry) -> None:
        """Update journal, memo and what lists show."""
        self._record(entries, {MEMO_INPUT_REQUESTS: listed_requests(self.pending)})
        self._listed.set_pending(self.pending)


def read_answer(data: JsonValue) -> InputAnswer:
    """Return an answer from JSON.

    Raises:
        AnswerMismatch: the data is no answer; the message names the fields.
    """
    try:
        if is_deeper_than(data, MAX_JSON_DEPTH):
            raise AnswerMismatch(f"The answer is nested more than {MAX_JSON_DEPTH} levels deep.")
        return InputAnswer.model_validate(check_strict_json(data))
    except UnicodeError as error:
        raise AnswerMismatch("The answer has text that isn't Unicode.") from error
    except ValidationError as error:
        raise AnswerMismatch(f"This is no answer to an input request: {issues_text(error, data)}") from error
    except ValueError as error:
        raise AnswerMismatch("The answer has a number that JSON has not: NaN or an infinity.") from error


def _escalated(request: InputRequest) -> InputRequest:
    """Return the request for those who are asked next; they get as much time, and then it is denied."""
    now = workflow.now()
    time = (request.expires_at or now) - request.opened_at
    update = {"approvers": request.escalate_to, "escalate_to": None, "on_expiry": "deny", "answers": ()}
    return request.model_copy(update={**update, "opened_at": now, "expires_at": now + time})
