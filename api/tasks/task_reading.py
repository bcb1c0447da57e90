"""Make a Task of what Temporal keeps: description, memo, history and the workflow's own view."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus, WorkflowHandle, WorkflowHistoryEventFilterType
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError, FailureError

from agentkit.messages import ImagePart, InputPart, Message, TextPart, Usage
from api.rest.response_schemas import Task, TaskError, TaskLinks, TaskUsage
from api.tasks.temporal_calls import RPC_TIMEOUT
from workflows.search_attributes import (
    AGENT,
    CONVERSATION,
    MEMO_METADATA,
    MEMO_TITLE,
    MEMO_USAGE,
    MEMO_USER,
    PARENT,
    STATUS,
    STEPS,
    TAGS,
)
from workflows.task_types import TaskFailure, TaskInput, TaskResult, TaskStatus, TaskView

__all__ = [
    "Addresses",
    "Ending",
    "ending_of",
    "input_of",
    "listed",
    "read_ending",
    "read_opening",
    "status_of",
    "with_view",
]

_ENDED: dict[WorkflowExecutionStatus, TaskStatus] = {
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed_out",
}
_STATUS: TypeAdapter[TaskStatus] = TypeAdapter(TaskStatus)
_METADATA: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])
_RUNNING = ("queued", "running", "waiting", "paused")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where tasks are found."""

    api: str
    """Path before the task's id."""
    temporal_ui: str
    """URL before the workflow's id."""

    def links(self, task_id: str) -> TaskLinks:
        """Return a task's links."""
        name = quote(task_id, safe="")
        return {"self": self.api + name, "events": f"{self.api}{name}/events", "temporal_ui": self.temporal_ui + name}


def input_of(message: Message) -> str | tuple[InputPart, ...]:
    """Return a first message as it was given: text, or parts."""
    if len(message.parts) == 1 and isinstance(message.parts[0], TextPart):
        return message.text
    return tuple(part for part in message.parts if isinstance(part, TextPart | ImagePart))


async def listed(execution: WorkflowExecution, addresses: Addresses) -> Task:
    """Return a task as visibility knows it: without input, output and error."""
    memo, found = await execution.memo(), execution.typed_search_attributes
    return Task.model_validate(
        {
            "id": execution.id,
            "agent": found.get(AGENT) or "",
            "status": status_of(execution),
            "title": str(memo.get(MEMO_TITLE, "")),
            "usage": _usage(memo.get(MEMO_USAGE)),
            "steps": found.get(STEPS) or 0,
            "conversation_id": found.get(CONVERSATION),
            "parent_id": found.get(PARENT) or execution.parent_id,
            "tags": tuple(found.get(TAGS) or ()),
            "metadata": _metadata(memo.get(MEMO_METADATA)),
            "user": memo.get(MEMO_USER),
            "created_at": execution.start_time,
            "completed_at": execution.close_time,
            "links": addresses.links(execution.id),
        }
    )


def with_view(task: Task, view: TaskView) -> Task:
    """Return the task with what its workflow says of itself. Where it has ended, Temporal's own status stays."""
    changes: dict[str, object] = {"steps": view.steps, "usage": TaskUsage.of(view.usage), "doing": view.doing}
    if task.status in _RUNNING and view.status in _RUNNING:
        changes["status"] = view.status
    return task.model_copy(update=changes)


async def read_opening(handle: WorkflowHandle[object, object], converter: DataConverter) -> dict[str, object]:
    """Return what a task's first events tell of it: fields of a Task; none when it wasn't started with a TaskInput."""
    events = handle.fetch_history_events(page_size=3, rpc_timeout=RPC_TIMEOUT)
    await events.fetch_next_page()
    page = events.current_page or ()
    payloads = page[0].workflow_execution_started_event_attributes.input.payloads
    try:
        (given,) = await converter.decode(payloads, [TaskInput])
        task = TaskInput.model_validate(given)
    except (ValueError, RuntimeError):
        return {}
    known: dict[str, object] = {"agent": task.agent.name, "input": input_of(task.message)}
    if task.carried is not None:
        return known | {"created_at": task.carried.started_at, "started_at": task.carried.started_at}
    taken = (event for event in page if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)
    return known | {"started_at": next(map(_moment, taken), None)}


async def read_ending(task: Task, handle: WorkflowHandle[object, object], converter: DataConverter) -> Task:
    """Return an ended task with its output or error, from the event that closed it."""
    closing = WorkflowHistoryEventFilterType.CLOSE_EVENT
    events = handle.fetch_history_events(event_filter_type=closing, rpc_timeout=RPC_TIMEOUT)
    async for event in events:
        if event.HasField("workflow_execution_completed_event_attributes"):
            payloads = event.workflow_execution_completed_event_attributes.result.payloads
            return await _completed(task, converter, payloads)
        failure = None
        if event.HasField("workflow_execution_failed_event_attributes"):
            failure = await converter.decode_failure(event.workflow_execution_failed_event_attributes.failure)
        if ending := ending_of(event, failure):
            return _with_ending(task, ending)
    return task


@dataclass(frozen=True, slots=True)
class Ending:
    """How a task ended that came to nothing."""

    status: TaskStatus
    error: TaskError
    details: TaskFailure | None = None
    """What it had spent, where it could say so."""


def ending_of(event: HistoryEvent, failure: BaseException | None) -> Ending | None:
    """Return how an event of history ended its task; ``failure`` is the event's, decoded. None for any other event."""
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            return _failed(failure)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            reason = event.workflow_execution_terminated_event_attributes.reason or "It was terminated."
            return Ending("terminated", TaskError(type="Terminated", message=reason))
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
            told = "Temporal's execution timeout ran out."
            return Ending("timed_out", TaskError(type="TimedOut", message=told))
    return None


async def _completed(task: Task, converter: DataConverter, payloads: object) -> Task:
    (given,) = await converter.decode(payloads, [TaskResult])  # type: ignore[arg-type]  # protobuf's repeated field
    result = TaskResult.model_validate(given)
    spent = {"output": result.output, "steps": result.steps, "usage": TaskUsage.of(result.usage)}
    return task.model_copy(update=spent)


def _failed(failure: BaseException | None) -> Ending:
    kind, told = type(failure).__name__, str(failure)
    if isinstance(failure, ApplicationError):
        kind = failure.type or kind
    if isinstance(failure, FailureError):
        told = failure.message
    status: TaskStatus = "timed_out" if kind == "DeadlineExceeded" else "failed"
    details = _failure_details(failure)
    if details is None:
        return Ending(status, TaskError(type=kind, message=told))
    return Ending(status, TaskError(type=kind, message=details.message, step=details.step), details)


def _with_ending(task: Task, ending: Ending) -> Task:
    changes: dict[str, object] = {"status": ending.status, "error": ending.error}
    if ending.details is not None:
        changes |= {"steps": ending.details.step, "usage": TaskUsage.of(ending.details.usage)}
    return task.model_copy(update=changes)


def _failure_details(failure: BaseException | None) -> TaskFailure | None:
    if not isinstance(failure, ApplicationError) or not failure.details:
        return None
    try:
        return TaskFailure.model_validate(failure.details[0])
    except ValidationError:
        return None


def status_of(execution: WorkflowExecution) -> TaskStatus:
    """Return a task's status as visibility knows it."""
    said = execution.typed_search_attributes.get(STATUS)
    ended = _ENDED.get(execution.status) if execution.status else None
    if ended == "failed" and said == "timed_out":
        return "timed_out"
    if ended is not None:
        return ended
    return _STATUS.validate_python(said) if said in _RUNNING else "running"


def _metadata(value: object) -> dict[str, str]:
    try:
        return _METADATA.validate_python(value or {})
    except ValidationError:
        return {}


def _moment(event: HistoryEvent) -> datetime:
    from_nanoseconds: datetime = event.event_time.ToDatetime(tzinfo=UTC)
    return from_nanoseconds


def _usage(value: object) -> TaskUsage:
    try:
        return TaskUsage.of(Usage.model_validate(value or {}))
    except ValidationError:
        return TaskUsage()
