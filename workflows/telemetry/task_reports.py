"""What the workflow of a task reports to its worker's telemetry: its start, its end, and the waits for people.

Workflows only report, and never while they are replayed; nothing of it stands in history, and no span is open while a
task waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import FailureError
from temporalio.worker import ExecuteWorkflowInput, WorkflowInboundInterceptor

with workflow.unsafe.imports_passed_through():
    import asyncio

    from agentkit.input_requests import InputRequest
    from agentkit.records import Record
    from agentkit.telemetry import TraceParent, start_trace
    from workflows.search_attributes import MEMO_TRACEPARENT
    from workflows.task_types import WORKFLOW_TYPE, TaskResult

__all__ = ["REPORT", "Report", "TaskReport", "TaskReporting", "report_answered"]

REPORT = "opspawn.telemetry"
"""Name of the extern function."""


class TaskReport(Record):
    """Something that happened to a task. Times are in seconds since 1970."""

    task_id: str
    kind: str
    """``started``, ``ended`` or ``answered``."""
    since: float
    """When the task, or the wait for a person, began."""
    at: float = 0.0
    status: str = ""
    """Of a task that ended: ``completed``, ``failed``, ``cancelled``. Of an input request: its kind."""
    error_type: str | None = None
    steps: int = 0
    id: str = ""
    """Of the input request."""


Report = Callable[[TaskReport], None]


def _report(report: TaskReport) -> None:
    function = workflow.extern_functions().get(REPORT)
    if function is not None and not workflow.unsafe.is_replaying():
        function(report)


def report_answered(request: InputRequest) -> None:
    """Report that an input request was answered, or has expired."""
    now, since = workflow.now().timestamp(), request.opened_at.timestamp()
    task_id = workflow.info().workflow_id
    _report(TaskReport(task_id=task_id, kind="answered", since=since, at=now, status=request.kind, id=request.id))


class TaskReporting(WorkflowInboundInterceptor):
    """Reports the start and the end of each task; a run that continues as new is neither."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> object:
        """Run the workflow."""
        info = workflow.info()
        if info.workflow_type != WORKFLOW_TYPE:
            return await self.next.execute_workflow(input)
        _log_in_trace_of_caller()
        since = (_moment(input, 1, "started_at") or info.start_time).timestamp()  # of the first of several runs
        if info.continued_run_id is None:
            queued = _due_at(input, info.workflow_start_time).timestamp()
            _report(TaskReport(task_id=info.workflow_id, kind="started", since=queued, at=since))
        ended = TaskReport(task_id=info.workflow_id, kind="ended", since=since)
        try:
            result = await self.next.execute_workflow(input)
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is not None:  # else the worker only drops it from its cache
                _report(ended.model_copy(update={"status": "cancelled"}))
            raise
        except FailureError as error:
            name = getattr(error, "type", None) or type(error).__name__
            _report(ended.model_copy(update={"status": "failed", "error_type": name}))
            raise
        steps = result.steps if isinstance(result, TaskResult) else 0
        _report(ended.model_copy(update={"status": "completed", "steps": steps}))
        return result


def _log_in_trace_of_caller() -> None:
    try:
        caller = TraceParent.read(str(workflow.memo_value(MEMO_TRACEPARENT, default="")))
    except Exception:  # such as a memo that can't be decrypted: it must not fail the task
        return
    if caller is not None:
        start_trace(caller)


def _due_at(input: ExecuteWorkflowInput, created_at: datetime) -> datetime:
    """Return when the task was to start: at its creation, or at its ``start_at``."""
    return max(created_at, _moment(input, 0, "start_at") or created_at)


def _moment(input: ExecuteWorkflowInput, index: int, field: str) -> datetime | None:
    """Return a time in an argument of the workflow, which is plain JSON or a record."""
    argument = input.args[index] if len(input.args) > index else None
    value = argument.get(field) if isinstance(argument, Mapping) else getattr(argument, field, None)
    return datetime.fromisoformat(value) if isinstance(value, str) else value
