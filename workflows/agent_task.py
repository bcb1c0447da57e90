"""One agent task as a durable workflow: request the model, decide, act, until the task is completed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from activities.payload_types import TranscriptPage, TranscriptRange
    from agentkit.errors import OpspawnError
    from agentkit.messages import Usage
    from agentkit.planners import get_planner
    from agentkit.runtime.effect_ledger import EffectLedger
    from agentkit.runtime.loop import AgentLoop, run_step
    from agentkit.runtime.security_policy import RulePolicy
    from agentkit.specs import AgentSpec
    from agentkit.transcript import Transcript, first_messages
    from workflows.listed_progress import progress_attributes
    from workflows.loop_effects import DurableEffects
    from workflows.search_attributes import MEMO_USAGE, STATUS, STEPS
    from workflows.task_types import (
        WORKFLOW_TYPE,
        CarriedState,
        PendingInput,
        TaskFailure,
        TaskInput,
        TaskResult,
        TaskStatus,
        TaskView,
        ToolCallLedger,
    )

__all__ = ["AgentTask"]

_DATA_ERRORS = (ValueError, OverflowError, RecursionError)
"""What data can cause, such as numbers and texts that can't be stored: it ends the task, for it would fail again.

Any other exception is a defect: Temporal repeats the workflow task until workers run mended code.
"""


def _transcript(task: TaskInput, carried: CarriedState | None) -> Transcript:
    if carried is None:
        return Transcript([task.message])
    return Transcript(carried.messages, start=carried.stored_end, digest=carried.stored_digest)


@workflow.defn(name=WORKFLOW_TYPE)
class AgentTask:
    """Owns the transcript of a task; its activities get references to it."""

    @workflow.init
    def __init__(self, task: TaskInput, carried: CarriedState | None = None) -> None:
        # As their number varies, the SDK decodes the arguments as plain JSON.
        task = TaskInput.model_validate(task)
        carried = None if carried is None else CarriedState.model_validate(carried)
        self._loop = AgentLoop(
            task.agent,
            get_planner(task.agent.planner),
            RulePolicy(),
            _transcript(task, carried),
            usage=carried.usage if carried else None,
            steps=carried.steps if carried else 0,
            plan=carried.plan if carried else (),
            fallback_index=carried.fallback_index if carried else 0,
            retry_count=carried.retry_count if carried else 0,
            repeats=carried.repeats if carried else None,
            ledger=EffectLedger(workflow.info().workflow_id, carried.ledger if carried else ()),
        )
        self._effects = DurableEffects(
            self._loop,
            kept_results=carried.kept_results if carried else None,
            opened_requests=carried.opened_requests if carried else 0,
        )
        self._task = task
        self._is_continued = carried is not None
        self._stored = carried.stored if carried else ()
        self._started_at = carried.started_at if carried else workflow.now()
        self._status: TaskStatus = "running"
        self._error: str | None = None

    @workflow.run
    async def run(self, task: TaskInput, carried: CarriedState | None = None) -> TaskResult:
        """Run steps until the task is completed, reaches a limit, fails or is cancelled."""
        if not self._is_continued:
            # The first step may take long: lists show it from its start.
            workflow.upsert_search_attributes([STATUS.value_set("running"), STEPS.value_set(1)])
        deadline = asyncio.timeout(self._remaining_seconds())
        try:
            async with deadline:
                output = await self._run_steps()
        except TimeoutError:
            self._fail_at_deadline()
        except OpspawnError as error:
            self._fail(type(error).__name__, str(error))
        except FailureError as error:
            if deadline.expired():
                self._fail_at_deadline()
            if is_cancelled_exception(error):
                self._end("cancelled")
                raise
            self._fail(type(error).__name__, error.message)
        except asyncio.CancelledError:
            self._end("cancelled")
            raise
        except _DATA_ERRORS as error:
            self._fail(type(error).__name__, f"Data of the task can't be processed: {str(error)[:500]}")
        self._end("completed")
        return TaskResult(output=output, usage=self._loop.usage, steps=self._loop.steps)

    async def _run_steps(self) -> JsonValue:
        while True:
            if workflow.info().is_continue_as_new_suggested():
                await self._continue_as_new()
            if finish := await run_step(self._loop, self._effects):
                return finish.output

    def _remaining_seconds(self) -> float | None:
        deadline = self._loop.agent.limits.deadline
        if deadline is None:
            return None
        return (self._started_at + timedelta(seconds=deadline) - workflow.now()).total_seconds()

    async def _continue_as_new(self) -> None:
        """Continue as new with references to the stored messages; return where they can't be stored now."""
        loop = self._loop
        composed = loop.composed_messages  # no activity recorded them, so the next model call passes them on
        end = len(loop.transcript) - len(composed)
        try:
            stored = (*self._stored, *await self._effects.store_messages(end))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("The task can't continue as new now: %s", error.cause)
            return
        carried = CarriedState(
            usage=loop.usage,
            steps=loop.steps,
            started_at=self._started_at,
            stored=stored,
            stored_digest=loop.transcript.digest(end),
            messages=composed,
            plan=loop.plan,
            fallback_index=loop.fallback_index,
            retry_count=loop.retry_count,
            repeats=dict(loop.repeats),
            kept_results=self._effects.kept_results or None,
            ledger=loop.ledger.carried(),
            opened_requests=self._effects.people.opened_count,
        )
        workflow.continue_as_new(args=[self._task, carried])

    def _end(self, status: TaskStatus) -> None:
        self._status = status
        usage = self._loop.usage
        workflow.upsert_search_attributes([STATUS.value_set(status), *progress_attributes(self._loop.steps, usage)])
        workflow.upsert_memo({MEMO_USAGE: usage})
        self._effects.details.ended(status, usage, self._error)

    def _fail(self, error_type: str, message: str, status: TaskStatus = "failed") -> NoReturn:
        self._error = message
        self._end(status)
        failure = TaskFailure(message=message, step=self._loop.steps, usage=self._loop.usage)
        raise ApplicationError(message, failure, type=error_type, non_retryable=True) from None

    def _fail_at_deadline(self) -> NoReturn:
        deadline = self._loop.agent.limits.deadline
        message = f"deadline is {deadline:g} s, and the task has run for as long"
        self._fail("DeadlineExceeded", message, "timed_out")

    @workflow.query
    def status(self) -> TaskView:
        """Return the status, steps and usage, and the current activity."""
        return TaskView(
            status="waiting" if self._status == "running" and self._effects.people.pending else self._status,
            steps=self._loop.steps,
            usage=self._loop.usage,
            doing=self._effects.details.doing,
            plan=self._loop.plan,
            error=self._error,
        )

    @workflow.signal
    def answer_input(self, answer: JsonValue) -> None:
        """Answer an input request: ``{"input_request_id", "decision", ...}``. What is not accepted changes nothing."""
        self._effects.people.answer_by_signal(answer)

    @workflow.query
    def input_requests(self) -> PendingInput:
        """Return the input requests that wait for an answer."""
        return PendingInput(input_requests=self._effects.people.pending)

    @workflow.query
    def tool_calls(self) -> ToolCallLedger:
        """Return the effect ledger."""
        return ToolCallLedger(tool_calls=self._loop.ledger.entries)

    @workflow.query
    def usage(self) -> Usage:
        """Return the usage so far."""
        return self._loop.usage

    @workflow.query
    def transcript(self, page_range: TranscriptRange | None = None) -> TranscriptPage:
        """Return the messages of a range, as many as fit a page; from the start without an argument.

        For a range that begins with messages of earlier runs, it is references to those.
        """
        page_range = page_range or TranscriptRange()
        total = len(self._loop.transcript)
        if page_range.start < self._loop.transcript.start:
            is_stored = (page for page in self._stored if page.end > page_range.start)
            return TranscriptPage(start=page_range.start, messages=(), stored=tuple(is_stored), total=total)
        messages = self._loop.transcript.read(page_range.start, page_range.end)
        return TranscriptPage(
            start=page_range.start, messages=first_messages(messages, page_range.max_bytes), total=total
        )

    @workflow.query
    def agent_spec(self) -> AgentSpec:
        """Return the agent, for a worker that has only its hash."""
        return self._loop.agent
