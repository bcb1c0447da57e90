"""One agent task as a durable workflow: request the model, decide, act, until the task is completed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from activities.conversations.conversation_payloads import TurnEnd
    from activities.payload_types import InputKey, TranscriptPage, TranscriptRange
    from activities.temporal.encryption.encrypted_payloads import PayloadErased
    from agentkit.errors import AnswerInvalid, OpspawnError, SteeringInvalid
    from agentkit.interfaces import ClientInput
    from agentkit.messages import Usage
    from agentkit.planners import get_planner
    from agentkit.runtime.calls.effect_ledger import EffectLedger
    from agentkit.runtime.calls.security_policy import RulePolicy
    from agentkit.runtime.loop import AgentLoop
    from agentkit.runtime.step import run_step
    from agentkit.specs import AgentSpec, RaisedLimits
    from agentkit.transcript import Transcript
    from workflows.client_requests import read_asked_input
    from workflows.conversations.turn_ends import turn_end
    from workflows.human_input import read_answer
    from workflows.listing.journal import CancelledEntry, LimitsRaisedEntry
    from workflows.listing.listed_progress import progress_attributes, progress_memo
    from workflows.loop_effects import DurableEffects
    from workflows.search_attributes import STATUS
    from workflows.steering_state import read_message
    from workflows.step_boundary import StepBoundary
    from workflows.target_version import continue_on_target_version
    from workflows.task_limits import read_limits
    from workflows.task_types import (
        WORKFLOW_TYPE,
        AnswerVerdict,
        CarriedState,
        LimitsVerdict,
        MessageVerdict,
        PendingInput,
        StepEnds,
        TaskFailure,
        TaskInput,
        TaskResult,
        TaskStatus,
        TaskView,
        ToolCallLedger,
    )
    from workflows.tools.task_tools import list_agent_tools
    from workflows.transcripts.transcript_versions import TranscriptVersions

__all__ = ["AgentTask"]

_ABANDON = workflow.HandlerUnfinishedPolicy.ABANDON

_DATA_ERRORS = (ValueError, OverflowError, RecursionError)
"""What data can cause, such as numbers and texts that can't be stored: it ends the task, for it would fail again.

Any other exception is a defect: Temporal repeats the workflow task until workers run mended code.
"""


def _transcript(task: TaskInput, carried: CarriedState | None) -> Transcript:
    if carried is not None:
        return Transcript(carried.messages, start=carried.stored_end, digest=carried.stored_digest)
    digest = task.copied_digest if task.source is None else task.source.digest
    return Transcript([task.message], start=task.own_start, digest=digest)


def _refused(error: AnswerInvalid | SteeringInvalid) -> ApplicationError:
    """Return the failure of an update that changes nothing; its type is the name of the error."""
    return ApplicationError(str(error), type=type(error).__name__, non_retryable=True)


async def _cancelled(asking: asyncio.Task[None]) -> None:
    """Cancel what asks for more time, and return when its request is withdrawn: no later update lists it as running."""
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[PayloadErased])
class AgentTask:
    """Owns the transcript of a task; its activities get references to it."""

    @workflow.init
    def __init__(self, task: TaskInput, carried: CarriedState | None = None) -> None:
        # As their number varies, the SDK decodes the arguments as plain JSON.
        task = TaskInput.model_validate(task)
        carried = None if carried is None else CarriedState.model_validate(carried)
        first_step = task.first_step
        self._loop = AgentLoop(
            task.agent,
            get_planner(task.agent.planner),
            RulePolicy(),
            _transcript(task, carried),
            usage=carried.usage if carried else None,
            steps=carried.steps if carried else first_step,
            plan=carried.plan if carried else (),
            fallback_index=carried.fallback_index if carried else 0,
            retry_count=carried.retry_count if carried else 0,
            repeats=carried.repeats if carried else None,
            ledger=EffectLedger(workflow.info().workflow_id, carried.ledger if carried else ()),
            limits=carried.limits if carried else None,
            remembered=carried.remembered if carried else (),
            step_ends=carried.step_ends if carried else None,
            first_step=first_step,
            context=carried.context if carried else task.context,
            facts=carried.facts if carried else task.facts,
        )
        self._started_at = carried.started_at if carried else max(task.start_at or workflow.now(), workflow.now())
        self._versions = TranscriptVersions(
            task.source,
            *((carried.stored, carried.replaced, carried.written) if carried else (task.copied,)),
            common_end=task.own_start,
        )
        self._boundary = StepBoundary(self._continue_as_new)
        self._effects = DurableEffects(
            self._loop,
            self._started_at,
            carried,
            versions=self._versions,
            boundary=self._boundary,
            notify=task.notify,
        )
        self._task = task
        self._is_continued = carried is not None
        self._status: TaskStatus = "running"
        self._error: str | None = None

    @workflow.run
    async def run(self, task: TaskInput, carried: CarriedState | None = None) -> TaskResult:
        """Run steps until the task is completed, reaches a limit, fails or is cancelled."""
        if not self._is_continued:
            await self._until_start()
            # The first step may take long: lists show it from its start.
            self._effects.listed.set_started(self._loop.steps + 1)
        self._effects.show_open_requests()
        deadline = self._effects.limits.start()
        try:
            async with deadline:
                if not self._is_continued:
                    await list_agent_tools(self._loop)
                    await self._effects.recall_memories()
                output = await self._run_until_finished()
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

    async def _until_start(self) -> None:
        """Return at the time that the task is to start at: an update may have started the workflow before."""
        delay = self._started_at - workflow.now()
        if delay <= timedelta():
            return
        try:
            await workflow.sleep(delay, summary="The task starts then")
        except asyncio.CancelledError:
            self._end("cancelled")
            raise
        self._boundary.move_if_target_changed()

    async def _run_until_finished(self) -> JsonValue:
        limits = self._loop.limits
        if limits.on_exhausted == "fail" or limits.deadline is None:
            return await self._run_steps()
        asking = asyncio.create_task(self._effects.limits.ask_at_deadline(self._effects, self._effects.ask))
        try:
            output = await self._run_steps()
        except (asyncio.CancelledError, Exception):
            await _cancelled(asking)
            raise
        await _cancelled(asking)
        return output

    async def _run_steps(self) -> JsonValue:
        while True:
            await self._boundary.continue_if_suggested()
            finish = await run_step(self._loop, self._effects)
            if finish is None:
                continue
            await self._effects.before_end()
            await self._effects.extract_memories()
            await workflow.wait_condition(workflow.all_handlers_finished)
            # A message may have come meanwhile. It takes no output away: where a limit is reached, no model reads it.
            if not self._effects.steering.queued or self._loop.reached_limit() is not None:
                return finish.output

    async def _continue_as_new(self, is_wait_over: Callable[[], bool]) -> None:
        """Continue as new with references to the stored messages and with what people are asked about limits.

        Return where that isn't possible now: messages can't be stored, or a request was opened or answered meanwhile.
        An answer that is not read yet would be lost.
        """
        loop, pending = self._loop, self._effects.human_input.pending
        if any(request.kind != "limit" for request in pending):
            return  # a call waits for its answer
        composed = loop.composed_messages  # no activity recorded them, so the next model call passes them on
        end = len(loop.transcript) - len(composed)
        try:
            stored = (*self._versions.stored, *await self._effects.store_messages(end))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("The task can't continue as new now: %s", error.cause)
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        human_input = self._effects.human_input
        if human_input.pending != pending or human_input.has_unread_answers or is_wait_over():
            return
        steering = self._effects.steering
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
            opened_requests=self._effects.human_input.opened_count,
            limits=None if loop.limits == loop.agent.limits else loop.limits,
            remembered=loop.remembered.decisions,
            step_ends=tuple(loop.step_ends),
            is_paused=steering.is_paused,
            queued_messages=steering.queued,
            message_ids=steering.message_ids,
            open_requests=pending,
            deadline_request=self._effects.limits.deadline_request,
            unsent_notices=self._effects.unsent_notices,
            replaced=self._versions.replaced,
            written=self._versions.written,
            context=loop.context.carried,
            facts=loop.facts,
        )
        continue_on_target_version([self._task.model_copy(update={"agent": loop.agent}), carried])

    def _end(self, status: TaskStatus) -> None:
        self._status = status
        usage = self._loop.usage
        if status == "cancelled":
            self._effects.record([CancelledEntry(step=self._loop.steps, usage=usage)])
        workflow.upsert_search_attributes([STATUS.value_set(status), *progress_attributes(self._loop.steps, usage)])
        workflow.upsert_memo(progress_memo(usage))
        self._effects.details.ended(status, usage, self._error)

    def _fail(self, error_type: str, message: str, status: TaskStatus = "failed") -> NoReturn:
        self._error = message
        self._end(status)
        failure = TaskFailure(message=message, step=self._loop.steps, usage=self._loop.usage)
        raise ApplicationError(message, failure, type=error_type, non_retryable=True) from None

    def _fail_at_deadline(self) -> NoReturn:
        self._fail("DeadlineExceeded", self._effects.limits.deadline_text, "timed_out")

    @workflow.query
    def status(self) -> TaskView:
        """Return the status, steps and usage, and the current activity."""
        return TaskView(
            status=self._effects.listed.status if self._status == "running" else self._status,
            steps=self._loop.steps,
            usage=self._loop.usage,
            doing=self._effects.details.doing,
            plan=self._loop.plan,
            error=self._error,
        )

    @workflow.signal(unfinished_policy=_ABANDON)
    async def answer_input(self, answer: JsonValue = None, *_: JsonValue) -> None:
        """Answer an input request: ``{"input_request_id", "decision", ...}``. What is not accepted changes nothing."""
        await self._effects.human_input.answer_by_signal(answer)

    @workflow.update(name="answer_input", unfinished_policy=_ABANDON)
    async def update_answer_input(self, answer: JsonValue) -> AnswerVerdict:
        """Answer an input request; the update fails with the reason where the answer is not accepted."""
        try:
            return await self._effects.human_input.answer(read_answer(answer))
        except AnswerInvalid as error:
            raise _refused(error) from error

    @update_answer_input.validator
    def _check_answer(self, answer: JsonValue) -> None:
        try:
            self._effects.human_input.check(read_answer(answer))
        except AnswerInvalid as error:
            raise _refused(error) from error

    @workflow.signal
    def send_message(self, message: JsonValue = None, *_: JsonValue) -> None:
        """Send a message to the model: ``{"text", "mode"}``. ``mode`` is ``enqueue`` or ``interrupt``."""
        try:
            self._effects.steering.receive(read_message(message), self._loop.steps)
        except SteeringInvalid as error:
            self._effects.human_input.reject(str(error))

    @workflow.update(name="send_message")
    def update_send_message(self, message: JsonValue) -> MessageVerdict:
        """Send a message to the model; the update fails with the reason where it is not accepted."""
        return MessageVerdict(is_new=self._effects.steering.receive(read_message(message), self._loop.steps))

    @update_send_message.validator
    def _check_message(self, message: JsonValue) -> None:
        try:
            self._effects.steering.check(read_message(message))
        except SteeringInvalid as error:
            raise _refused(error) from error

    @workflow.signal
    def ask_client(self, asked: JsonValue = None, *_: JsonValue) -> None:
        """Obtain what an MCP server asks during a call; for the activity of that call, not for people."""
        try:
            self._effects.client_requests.receive(read_asked_input(asked))
        except SteeringInvalid as error:
            self._effects.human_input.reject(str(error))

    @workflow.query
    def client_input(self, key: InputKey) -> ClientInput | None:
        """Return the input for a request of ``ask_client``; None: there is none yet."""
        return self._effects.client_requests.input_for(key.call_id, key.key)

    @workflow.signal
    def pause(self) -> None:
        """Pause the task: what is in flight ends, and nothing new starts. A paused task stays so."""
        self._effects.steering.pause()

    @workflow.update(name="pause")
    def update_pause(self) -> None:
        """Pause the task, as the signal does."""
        self._effects.steering.pause()

    @workflow.signal
    def resume(self) -> None:
        """Resume the task. One that isn't paused goes on."""
        self._effects.steering.resume()

    @workflow.update(name="resume")
    def update_resume(self) -> None:
        """Resume the task, as the signal does."""
        self._effects.steering.resume()

    @workflow.signal
    def upgrade(self) -> None:
        """Move to the target version of the workers between two steps, by continuing as new."""
        self._boundary.request_move()

    @workflow.signal
    def raise_limits(self, changes: JsonValue = None, *_: JsonValue) -> None:
        """Raise limits: ``{"max_steps": 60}``. A task that waits for them goes on."""
        try:
            self._raise_limits(read_limits(changes))
        except SteeringInvalid as error:
            self._effects.human_input.reject(str(error))

    @workflow.update(name="raise_limits")
    def update_raise_limits(self, changes: JsonValue) -> LimitsVerdict:
        """Raise limits; the update fails with the reason where they are not accepted."""
        self._raise_limits(read_limits(changes))
        return LimitsVerdict(limits=self._loop.limits)

    @update_raise_limits.validator
    def _check_limits(self, changes: JsonValue) -> None:
        try:
            self._effects.limits.check(read_limits(changes))
        except SteeringInvalid as error:
            raise _refused(error) from error

    def _raise_limits(self, changes: RaisedLimits) -> None:
        limits = self._effects.limits
        limits.check(changes)
        limits.raise_to(changes)
        self._effects.record([LimitsRaisedEntry(step=self._loop.steps, limits=changes)])
        self._effects.human_input.settle_limits(changes, limits.is_lifted)

    @workflow.query
    def step_ends(self) -> StepEnds:
        """Return where the task can be forked."""
        return StepEnds(
            first_step=self._task.first_step,
            ends=tuple(self._loop.step_ends),
            replaced=tuple(version.model_copy(update={"pages": ()}) for version in self._versions.replaced),
            written=self._versions.written,
        )

    @workflow.query
    def turn_end(self) -> TurnEnd:
        """Return what a conversation needs of an ended turn; of a running one, where it is."""
        return turn_end(self._loop, self._effects.steering, self.step_ends(), self._status, self._error)

    @workflow.query
    def input_requests(self) -> PendingInput:
        """Return the input requests that wait for an answer."""
        return PendingInput(input_requests=self._effects.human_input.pending)

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
        return self._versions.page(self._loop.transcript, page_range or TranscriptRange())

    @workflow.query
    def agent_spec(self) -> AgentSpec:
        """Return the agent, for a worker that has only its hash."""
        return self._loop.agent
