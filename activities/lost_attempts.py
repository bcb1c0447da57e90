"""Find local activities whose earlier attempt was lost with its worker, so that they don't end workers without end."""

from __future__ import annotations

import time
from datetime import timedelta

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.service import RPCError

__all__ = ["LostAttempts"]

_RPC_TIMEOUT = timedelta(seconds=1)


class LostAttempts:
    """Local activities of one worker.

    Temporal counts no attempts of them, but those of the workflow task that they are part of. It is asked only while
    this worker is young, as one is whose predecessor was ended, and once for each run of a workflow.
    """

    def __init__(self, young_for_s: float = 300.0) -> None:
        self._old_at = time.monotonic() + young_for_s
        self._checked: set[str] = set()
        """Runs whose first local activity here was no repetition."""

    async def may_repeat_one(self) -> bool:
        """Return whether the current local activity may have been started before, by a worker that has ended."""
        run_id = activity.info().workflow_run_id or ""
        if run_id in self._checked:
            return False
        if time.monotonic() > self._old_at:
            self._checked.clear()
            return False
        if await _workflow_task_attempt() > 1:
            return True
        self._checked.add(run_id)
        return False


async def _workflow_task_attempt() -> int:
    info, client = activity.info(), activity.client()
    execution = WorkflowExecution(workflow_id=info.workflow_id or "", run_id=info.workflow_run_id or "")
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
    try:
        described = await client.workflow_service.describe_workflow_execution(request, timeout=_RPC_TIMEOUT)
    except RPCError:
        return 1
    return described.pending_workflow_task.attempt
