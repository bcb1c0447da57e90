"""Workflow executions as Temporal's visibility returns them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from temporalio.api.common.v1 import Memo
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import TypedSearchAttributes
from temporalio.converter import DataConverter

CREATED_AT = datetime(2026, 11, 21, 19, 53, 11, tzinfo=UTC)


def execution(
    memo: Mapping[str, object] | None = None,
    search_attributes: TypedSearchAttributes = TypedSearchAttributes.empty,
    status: WorkflowExecutionStatus = WorkflowExecutionStatus.RUNNING,
    *,
    parent_id: str | None = None,
    close_time: datetime | None = None,
) -> WorkflowExecution:
    """Return the execution of ``task-1``, with a memo as Temporal stores it."""
    converter = DataConverter.default
    payloads = {key: converter.payload_converter.to_payload(value) for key, value in (memo or {}).items()}
    return WorkflowExecution(
        close_time=close_time,
        execution_time=CREATED_AT,
        history_length=3,
        id="task-1",
        namespace="default",
        parent_id=parent_id,
        parent_run_id=None,
        root_id=None,
        root_run_id=None,
        raw_info=WorkflowExecutionInfo(memo=Memo(fields=payloads)),
        run_id="run-1",
        search_attributes={},
        start_time=CREATED_AT,
        status=status,
        task_queue="opspawn",
        typed_search_attributes=search_attributes,
        workflow_type="AgentTask",
        _context_free_data_converter=converter,
    )
