"""The activity that erases what is left of a task or a conversation: runs, tasks of its own, and what they stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution as ExecutionId
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from activities.erasure_payloads import (
    ERASE_ACTIVITY,
    ERASURE_TYPES,
    MAX_LATE_TASKS,
    ErasureSweep,
    SweptExecutions,
)
from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.settings import Settings
from activities.temporal.payload_erasure import PayloadErasure
from activities.temporal.temporal_clock import temporal_now
from agentkit.errors import OpspawnError

__all__ = ["ErasureActivity"]

_RPC_TIMEOUT = timedelta(seconds=10)


class ErasureActivity:
    """The activity of a worker that erases. A repeated attempt finds what the one before left."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._payloads = PayloadErasure(client, settings.data_dir / "payloads")

    @activity.defn(name=ERASE_ACTIVITY)
    async def erase_executions(self, sweep: ErasureSweep) -> SweptExecutions:
        """Erase payloads, and have Temporal delete the runs, which takes it a while.

        Raises:
            ApplicationError: payloads can't be erased.
            RPCError: Temporal doesn't respond.
        """
        async with heartbeating():
            try:
                return await self._erase(sweep)
            except OpspawnError as error:
                raise application_error(error) from error

    async def _erase(self, sweep: ErasureSweep) -> SweptExecutions:
        own_runs = [run_id async for run_id in self._chain(sweep)]
        own_runs.reverse()  # the oldest first: each run names the one before it
        known, erased, late = {*own_runs}, set[str](), list[str]()
        late_since = await temporal_now(self._client) - timedelta(seconds=sweep.grace_s)
        for task_id in (sweep.workflow_id, *sweep.late_tasks):
            await self._payloads.erase(task_id)
        async for execution in self._client.list_workflows(_parts_query(sweep.workflow_id), rpc_timeout=_RPC_TIMEOUT):
            if execution.id == sweep.workflow_id:
                own_runs += () if execution.run_id in known else (execution.run_id,)
                known.add(execution.run_id)
                continue
            known.add(execution.run_id)
            if execution.id not in erased:
                erased.add(execution.id)
                await self._payloads.erase(execution.id)
                if len(late) < MAX_LATE_TASKS and _may_still_store(execution, late_since):
                    late.append(execution.id)
            await self._delete_run(execution.id, execution.run_id)
        for run_id in own_runs:  # last: by them, what is left is found again where something above failed
            await self._delete_run(sweep.workflow_id, run_id)
        return SweptExecutions(remaining=len(known), late_tasks=tuple(late))

    async def _chain(self, sweep: ErasureSweep) -> AsyncIterator[str]:
        """Yield the runs that Temporal has, the newest first: each continued the one before it as new."""
        run_id = sweep.run_id
        while run_id:
            try:
                previous = await self._previous_run(sweep.workflow_id, run_id)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return
            yield run_id
            run_id = previous

    async def _previous_run(self, workflow_id: str, run_id: str) -> str:
        response = await self._client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace,
                execution=ExecutionId(workflow_id=workflow_id, run_id=run_id),
                maximum_page_size=1,
            ),
            retry=True,
            timeout=_RPC_TIMEOUT,
        )
        started = response.history.events[0].workflow_execution_started_event_attributes
        return str(started.continued_execution_run_id)

    async def _delete_run(self, workflow_id: str, run_id: str) -> None:
        """Have Temporal delete a run; it terminates one that is running."""
        request = DeleteWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=ExecutionId(workflow_id=workflow_id, run_id=run_id),
        )
        try:
            await self._client.workflow_service.delete_workflow_execution(request, retry=True, timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise


def _parts_query(workflow_id: str) -> str:
    """Return the visibility query for all runs of a task or conversation, of its turns and of their sub-agents."""
    text = "'" + workflow_id.replace("\\", "\\\\").replace("'", "\\'") + "'"
    fields = ("WorkflowId", "RootWorkflowId", "OpspawnConversationId", "OpspawnParentId")
    parts = " OR ".join(f"{field} = {text}" for field in fields)
    return f"({parts}) AND WorkflowType NOT IN {ERASURE_TYPES}"


def _may_still_store(execution: WorkflowExecution, late_since: datetime) -> bool:
    """Return whether an activity of the task may not have noticed yet that the task has ended."""
    return execution.close_time is None or execution.close_time > late_since
