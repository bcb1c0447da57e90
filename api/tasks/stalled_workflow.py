"""Whether a task can't go on because its workflow code fails: read from Temporal's description and history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription
from temporalio.common import SearchAttributeKey
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError, FailureError

from api.tasks.payload_decoding import decode_failure
from api.tasks.task_snapshot import StalledReason
from api.tasks.temporal_calls import RPC_TIMEOUT

__all__ = ["REPORTED_PROBLEMS", "listed_stall", "stalled_reason"]

REPORTED_PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
"""Temporal's own: set while workflow tasks of a workflow fail repeatedly, removed by the first that succeeds."""
_CAUSE = "cause=WorkflowTaskFailedCause"
_RECENT_EVENTS = 20
_MAX_MESSAGE_CHARS = 1000
_TIMEOUT_ATTEMPTS = 3
"""A worker that is killed costs one attempt, by a timeout: the third one in a row has another reason."""
_PASSING_CAUSES = frozenset(
    {
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
    }
)
"""Failures that are part of normal operation."""


def listed_stall(execution: WorkflowExecution) -> StalledReason | None:
    """Return what visibility has of the failures of a running workflow's code: their cause."""
    problems = execution.typed_search_attributes.get(REPORTED_PROBLEMS)
    if not problems:
        return None
    causes = [problem.removeprefix(_CAUSE) for problem in problems if problem.startswith(_CAUSE)]
    return StalledReason(message=f"Its workflow task fails: {', '.join(causes) or 'unknown cause'}.")


async def stalled_reason(
    client: Client, execution: WorkflowExecutionDescription, converter: DataConverter
) -> StalledReason | None:
    """Return why the workflow task of a running workflow fails, and since when; None if it doesn't fail.

    Costs no call for a workflow whose workflow task is in its first attempt.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
        PayloadUnavailable: the failure can't be decoded.
    """
    description = execution.raw_description
    attempt = description.pending_workflow_task.attempt if description.HasField("pending_workflow_task") else 0
    if attempt < 2:
        return None
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=description.workflow_execution_info.execution,
        maximum_page_size=_RECENT_EVENTS,
    )
    response = await client.workflow_service.get_workflow_execution_history_reverse(request, timeout=RPC_TIMEOUT)
    event = _last_failure(response.history.events)
    if event is None:
        return None
    since: datetime = event.event_time.ToDatetime(tzinfo=UTC)
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
        if attempt < _TIMEOUT_ATTEMPTS:
            return None
        return StalledReason(message="Its workflow task times out: its worker ends or hangs each time.", since=since)
    failed = event.workflow_task_failed_event_attributes
    if failed.cause in _PASSING_CAUSES:
        return None
    return StalledReason(message=_text(await decode_failure(converter, failed.failure)), since=since)


def _last_failure(newest_first: Sequence[HistoryEvent]) -> HistoryEvent | None:
    """Return the event by which the last workflow task failed or timed out; None if one has succeeded since."""
    for event in newest_first:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return None
        if event.event_type in (
            EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        ):
            return event
    return None


def _text(failure: BaseException) -> str:
    kind = failure.type if isinstance(failure, ApplicationError) else None
    message = failure.message if isinstance(failure, FailureError) else str(failure)
    text = f"{kind}: {message}" if kind and not message.startswith("[TMPRL") else message
    return text[:_MAX_MESSAGE_CHARS]
