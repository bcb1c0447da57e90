"""One agent task as a durable workflow: request the model, decide, act, until the task is completed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from activities.payload_types import TranscriptPage, TranscriptRange
    from agentkit.errors import OpspawnError
    from agentkit.messages import Message, Usage
    from agentkit.planners import get_planner
    from agentkit.runtime.approval_policy import ApprovalPolicy
    from agentkit.runtime.loop import AgentLoop, run_step
    from agentkit.specs import AgentSpec
    from agentkit.transcript import Transcript
    from workflows.listed_progress import progress_attributes
    from workflows.loop_effects import DurableEffects
    from workflows.search_attributes import MEMO_USAGE, STATUS, STEPS
    from workflows.task_types import (
        WORKFLOW_TYPE,
        CarriedPage,
        CarriedState,
        TaskFailure,
        TaskInput,
        TaskResult,
        TaskStatus,
        TaskView,
    )

__all__ = ["AgentTask", "carried_pages"]

_CARRIED_PAGE_BYTES = 512 * 1024
"""Pages are stored by their content, so a run stores only what is newer than the last full page of the run before."""

_DATA_ERRORS = (ValueError, OverflowError, RecursionError)
"""What data can cause, such as numbers and texts that can't be stored: it ends the task, for it would fail again.

Any other exception is a defect: Temporal repeats the workflow task until workers run mended code.
"""


def _transcript(task: TaskInput, pages: Sequence[CarriedPage]) -> Transcript:
    if not pages:
        return Transcript([task.message])
    transcript = Transcript()
    for page in map(CarriedPage.model_validate, pages):
        transcript.append_known(page.messages, page.digests, page.sizes)
    return transcript


def carried_pages(transcript: Transcript) -> list[CarriedPage]:
    """Return the messages as the arguments with which a task continues as new."""
    return [
        CarriedPage(
            messages=tuple(transcript.read(start, end)),
            digests=tuple(transcript.digests(start, end)),
            sizes=tuple(transcript.sizes(start, end)),
        )
        for start, end in transcript.pages(_CARRIED_PAGE_BYTES)
    ]


@workflow.defn(name=WORKFLOW_TYPE)
class AgentTask:
    """Owns the transcript of a task; its activities get references to it."""

    @workflow.init
    def __init__(self, task: TaskInput, *pages: CarriedPage) -> None:
        # As their number varies, the SDK decodes the arguments as plain JSON.
        task = TaskInput.model_validate(task)
        carried = task.carried
        self._loop = AgentLoop(
            task.agent,
            get_planner(task.agent.planner),
            ApprovalPolicy(),
            _transcript(task, pages),
            usage=carried.usage if carried else None,
            steps=carried.steps if carried else 0,
            plan=carried.plan if carried else (),
            fallback_index=carried.fallback_index if carried else 0,
            retry_count=carried.retry_count if carried else 0,
            repeats=carried.repeats if carried else None,
        )
        self._effects = DurableEffects(self._loop)
        self._task = task
        self._started_at = carried.started_at if carried else workflow.now()
        self._status: TaskStatus = "running"
        self._error: str | None = None

    @workflow.run
    async def run(self, task: TaskInput, *pages: CarriedPage) -> TaskResult:
        """Run steps until the task is completed, reaches a limit, fails or is cancelled."""
        if not self._task.carried:
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
            self._continue_as_new_if_suggested()
            if finish := await run_step(self._loop, self._effects):
                return finish.output

    def _remaining_seconds(self) -> float | None:
        deadline = self._loop.agent.limits.deadline
        if deadline is None:
            return None
        return (self._started_at + timedelta(seconds=deadline) - workflow.now()).total_seconds()

    def _continue_as_new_if_suggested(self) -> None:
        if not workflow.info().is_continue_as_new_suggested():
            return
        carried = CarriedState(
            usage=self._loop.usage,
            steps=self._loop.steps,
            started_at=self._started_at,
            plan=self._loop.plan,
            fallback_index=self._loop.fallback_index,
            retry_count=self._loop.retry_count,
            repeats=dict(self._loop.repeats),
        )
        task = self._task.model_copy(update={"carried": carried})
        workflow.continue_as_new(args=[task, *carried_pages(self._loop.transcript)])

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
            status=self._status,
            steps=self._loop.steps,
            usage=self._loop.usage,
            doing=self._effects.details.doing,
            plan=self._loop.plan,
            error=self._error,
        )

    @workflow.query
    def usage(self) -> Usage:
        """Return the usage so far."""
        return self._loop.usage

    @workflow.query
    def transcript(self, page_range: TranscriptRange | None = None) -> TranscriptPage:
        """Return the messages of a range, as many as fit a page; from the start without an argument."""
        page_range = page_range or TranscriptRange()
        messages: list[Message] = []
        size = 0
        for message in self._loop.transcript.read(page_range.start, page_range.end):
            size += len(message.canonical_json())
            if messages and size > page_range.max_bytes:
                break
            messages.append(message)
        return TranscriptPage(start=page_range.start, messages=tuple(messages), total=len(self._loop.transcript))

    @workflow.query
    def agent_spec(self) -> AgentSpec:
        """Return the agent, for a worker that has only its hash."""
        return self._loop.agent
