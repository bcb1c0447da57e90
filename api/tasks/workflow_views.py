"""What running tasks know about themselves: status, steps, usage and current activity, by a query of their workflow."""

from __future__ import annotations

from datetime import timedelta

from cachetools import TTLCache
from pydantic import ValidationError
from temporalio.client import WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.workflow_queries import query_workflow
from api.tasks.task_reading import with_view
from api.tasks.task_snapshot import TaskSnapshot
from workflows.task_types import TaskView

__all__ = ["WorkflowViews"]

_QUERY_TIMEOUT = timedelta(seconds=1)
"""How long showing a task waits for its worker."""
_SILENT_S = 3.0
"""How long a task isn't queried after its worker didn't respond, so that showing it again is fast."""
_MAX_SILENT_TASKS = 10_000


class WorkflowViews:
    """Queries tasks for their views. One whose worker didn't respond is left alone for a while; the others are not."""

    def __init__(self) -> None:
        self._silent: TTLCache[str, bool] = TTLCache(_MAX_SILENT_TASKS, _SILENT_S)
        """Tasks whose worker didn't respond."""

    async def add(
        self, task: TaskSnapshot, handle: WorkflowHandle[object, object], view: TaskView | None = None
    ) -> TaskSnapshot:
        """Return the task with its workflow's view, that given or a new one; unchanged when no worker responds in time.

        A queued task has no view yet, and Temporal holds back other requests about it while a query waits.
        """
        if task.status == "queued":
            return task
        view = view or await self.read(handle)
        return task if view is None else with_view(task, view)

    async def read(self, handle: WorkflowHandle[object, object]) -> TaskView | None:
        """Return the view of a task that has started; None when no worker responds in time."""
        if handle.id in self._silent:
            return None
        try:
            return await query_workflow(handle, "status", TaskView, rpc_timeout=_QUERY_TIMEOUT)
        except (WorkflowQueryFailedError, ValidationError):  # ValidationError: a worker of another release
            return None
        except RPCError as error:
            if error.status is not RPCStatusCode.FAILED_PRECONDITION:
                self._silent[handle.id] = True
            return None
