"""Why an erasure doesn't get on, from Temporal's description of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.converter import DataConverter

from activities.memory.memory_queries import ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY
from api.tasks.erasure_progress import erasure_problem

FAILED = PendingActivityInfo(last_failure=Failure(message="The bucket refuses that. " * 100))
WAITING = PendingActivityInfo(activity_type={"name": ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY})  # type: ignore[arg-type]
TAKEN = PendingActivityInfo(
    activity_type={"name": ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY},  # type: ignore[arg-type]
    last_worker_identity="a worker",
)


@pytest.mark.parametrize(
    ("status", "pending", "problem"),
    [
        (WorkflowExecutionStatus.RUNNING, [PendingActivityInfo()], None),
        (WorkflowExecutionStatus.RUNNING, [TAKEN], None),
        (WorkflowExecutionStatus.RUNNING, [WAITING], "It waits for a worker that serves long-term memory."),
        (WorkflowExecutionStatus.RUNNING, [FAILED], FAILED.last_failure.message[:1000]),
        (WorkflowExecutionStatus.COMPLETED, [FAILED], None),
    ],
    ids=["goes on", "memories", "no memory", "failed", "ended"],
)
async def test_the_problem_is_the_last_failure_or_the_worker_that_is_missing(
    status: WorkflowExecutionStatus, pending: list[PendingActivityInfo], problem: str | None
) -> None:
    described = SimpleNamespace(status=status, raw_description=SimpleNamespace(pending_activities=pending))
    shown = await erasure_problem(cast("WorkflowExecutionDescription", described), DataConverter.default)
    assert shown == problem
