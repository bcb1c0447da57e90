"""Complete a task's snapshot from its history and from its workflow's own view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle, WorkflowHistoryEventFilterType
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError, FailureError

from api.tasks.errors import PayloadUnavailable
from api.tasks.payload_decoding import decode_failure, decode_record
from api.tasks.task_snapshot import FailureReason, TaskSnapshot, TaskUsage, input_content
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.visibility.task_visibility import RUNNING_STATUSES
from workflows.task_types import CarriedState, TaskFailure, TaskInput, TaskResult, TaskStatus, TaskView

__all__ = [
    "ClosingFailure",
    "closing_failure",
    "first_events",
    "read_task_input",
    "until_closed",
    "with_ending",
    "with_opening",
    "with_view",
]


def with_view(task: TaskSnapshot, view: TaskView) -> TaskSnapshot:
    """Return the task with its workflow's view of it. The status of an ended task stays Temporal's."""
    running = task.status in RUNNING_STATUSES and view.status in RUNNING_STATUSES
    return replace(
        task,
        status=view.status if running else task.status,
        steps=view.steps,
        usage=TaskUsage.of(view.usage),
        doing=view.doing,
    )


async def with_opening(task: TaskSnapshot, page: Sequence[HistoryEvent], converter: DataConverter) -> TaskSnapshot:
    """Return the task with what its first events hold: agent, input and start. Unchanged where it has no TaskInput.

    Raises:
        PayloadUnavailable: what it was given can't be read.
    """
    payloads = page[0].workflow_execution_started_event_attributes.input.payloads
    task_input = await decode_record(converter, payloads[:1], TaskInput)
    if task_input is None:
        return task
    task = replace(task, agent=task_input.agent.name, input=input_content(task_input.message))
    carried = await decode_record(converter, payloads[1:2], CarriedState)
    if carried is not None:
        first_start = carried.started_at
        return replace(task, created_at=first_start, started_at=first_start)
    starts = (_time(event) for event in page if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)
    started_at, start_at = next(starts, None), task_input.start_at
    if started_at is not None and start_at is not None and started_at < start_at:  # an update woke the workflow
        started_at = start_at if task.steps else None
    return replace(task, started_at=started_at)


async def read_task_input(handle: WorkflowHandle[object, object], converter: DataConverter) -> TaskInput | None:
    """Return what the task was given; None where it has no TaskInput.

    Raises:
        PayloadUnavailable: it can't be read.
    """
    (first, *_) = await first_events(handle)
    payloads = first.workflow_execution_started_event_attributes.input.payloads
    return await decode_record(converter, payloads[:1], TaskInput)


async def with_ending(
    task: TaskSnapshot, handle: WorkflowHandle[object, object], converter: DataConverter
) -> TaskSnapshot:
    """Return an ended task with its output or error, from the event that closed it.

    Raises:
        PayloadUnavailable: they can't be read.
    """
    closing = WorkflowHistoryEventFilterType.CLOSE_EVENT
    events = handle.fetch_history_events(event_filter_type=closing, rpc_timeout=RPC_TIMEOUT)
    async for event in events:
        if event.HasField("workflow_execution_completed_event_attributes"):
            payloads = event.workflow_execution_completed_event_attributes.result.payloads
            return await _completed(task, converter, payloads)
        failure = None
        if event.HasField("workflow_execution_failed_event_attributes"):
            failure = await decode_failure(converter, event.workflow_execution_failed_event_attributes.failure)
        if ending := closing_failure(event, failure):
            return _with_failure(task, ending)
    return task


async def until_closed(client: Client, task_id: str) -> None:
    """Return when the task has ended, in its newest run or a later one. Its result isn't read."""
    run_id: str | None = None
    while True:
        events = client.get_workflow_handle(task_id, run_id=run_id).fetch_history_events(
            wait_new_event=True, event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT, skip_archival=True
        )
        closing = await anext(aiter(events))
        run_id = closing.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        if not run_id:
            return


@dataclass(frozen=True, slots=True)
class ClosingFailure:
    """How a task ended that failed, timed out or was terminated."""

    status: TaskStatus
    error: FailureReason
    details: TaskFailure | None = None
    """Steps and usage, where the workflow itself reported the failure."""


def closing_failure(event: HistoryEvent, failure: BaseException | None) -> ClosingFailure | None:
    """Return how an event of history ended its task; None for any other event. ``failure`` is the event's, decoded."""
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            return _failed(failure)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            reason = event.workflow_execution_terminated_event_attributes.reason or "It was terminated."
            return ClosingFailure("terminated", FailureReason(type="Terminated", message=reason))
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
            message = "Temporal's execution timeout ran out."
            return ClosingFailure("timed_out", FailureReason(type="TimedOut", message=message))
    return None


async def first_events(handle: WorkflowHandle[object, object]) -> Sequence[HistoryEvent]:
    """Return the first events of the task's newest run: those that ``with_opening`` reads."""
    events = handle.fetch_history_events(page_size=3, rpc_timeout=RPC_TIMEOUT)
    await events.fetch_next_page()
    return events.current_page or ()


async def _completed(task: TaskSnapshot, converter: DataConverter, payloads: Sequence[Payload]) -> TaskSnapshot:
    result = await decode_record(converter, payloads, TaskResult)
    if result is None:
        raise PayloadUnavailable("The task's result can't be read: a worker of another release wrote it.")
    return replace(task, output=result.output, steps=result.steps, usage=TaskUsage.of(result.usage))


def _failed(failure: BaseException | None) -> ClosingFailure:
    kind, message = type(failure).__name__, str(failure)
    if failure is None:
        kind, message = "Unknown", "Its failure can't be read."
    if isinstance(failure, ApplicationError):
        kind = failure.type or kind
    if isinstance(failure, FailureError):
        message = failure.message
    status: TaskStatus = "timed_out" if kind == "DeadlineExceeded" else "failed"
    details = _failure_details(failure)
    if details is None:
        return ClosingFailure(status, FailureReason(type=kind, message=message))
    return ClosingFailure(status, FailureReason(type=kind, message=details.message, step=details.step), details)


def _with_failure(task: TaskSnapshot, ending: ClosingFailure) -> TaskSnapshot:
    """Return the task with how it ended, and its steps and usage where the workflow reported them."""
    task = replace(task, status=ending.status, error=ending.error)
    if ending.details is None:
        return task
    return replace(task, steps=ending.details.step, usage=TaskUsage.of(ending.details.usage))


def _failure_details(failure: BaseException | None) -> TaskFailure | None:
    if not isinstance(failure, ApplicationError) or not failure.details:
        return None
    try:
        return TaskFailure.model_validate(failure.details[0])
    except ValidationError:
        return None


def _time(event: HistoryEvent) -> datetime:
    time: datetime = event.event_time.ToDatetime(tzinfo=UTC)
    return time
