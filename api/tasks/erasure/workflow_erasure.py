"""Start the workflow that erases a task or a conversation, and takes over its id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.erasure_payloads import (
    ERASE_MEMORIES_SIGNAL,
    ERASES_MEMORIES_MEMO,
    ErasureRequest,
)
from activities.settings import Settings
from activities.temporal.temporal_clock import temporal_now
from api.tasks.erasure_progress import ErasureProgress, erases_memories, erasure_problem
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.visibility.tenant_access import tenant_of
from api.tasks.workers.worker_presence import WorkerPresence
from workflows.search_attributes import TENANT

__all__ = ["GRACE_S", "WorkflowErasure"]

GRACE_S = 60.0
"""Seconds after the end of a task in which an activity of it may still store something: activities heartbeat every
second, and so learn that their task has ended."""

_COMPLETE = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED)


class WorkflowErasure:
    """Starts erasures of workflows that have ended; the worker does the rest, and Temporal repeats what fails.

    The erasure has the id of what it erases, and starts before anything is deleted: the id is never free in between.
    """

    def __init__(
        self, client: Client, settings: Settings, workflows: TaskWorkflows, *, grace_s: float = GRACE_S
    ) -> None:
        """``workflows`` says whether tasks or conversations are erased."""
        self._client = client
        self._task_queue = settings.task_queue
        self._workflows = workflows
        self._grace_s = grace_s
        self._workers = WorkerPresence(client)

    async def start(
        self, execution: WorkflowExecutionDescription, *, memories: bool = False
    ) -> WorkflowExecutionDescription:
        """Start the erasure of a workflow; return the erasure's description, within ``calling``.

        With ``memories``, those that it may still write are erased at the end.

        ``execution`` may be an erasure: it goes on. One that was ended before it had erased everything, or that has
        ended without memories, is started again. If the workflow runs (again), its own description is returned.
        """
        while not await self._is_started(execution, memories=memories):
            await self._start(execution, memories=memories or erases_memories(execution))
            execution = await self._workflows.describe_any(self._workflows.handle(execution.id))
            if execution.workflow_type != self._workflows.erasure_type:
                break
        return execution

    async def _is_started(self, execution: WorkflowExecutionDescription, *, memories: bool) -> bool:
        """Return whether a workflow is an erasure that runs or is complete; have a running one erase memories as well.

        False if it has ended without memories, and is to erase them.
        """
        if execution.workflow_type != self._workflows.erasure_type or execution.status not in _COMPLETE:
            return False
        if not memories or erases_memories(execution):
            return True
        if execution.status is not WorkflowExecutionStatus.RUNNING:
            return False
        try:
            handle = self._workflows.handle(execution.id)
            await handle.signal(ERASE_MEMORIES_SIGNAL, rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def _start(self, execution: WorkflowExecutionDescription, *, memories: bool) -> None:
        """Start the erasure of a workflow, or one that goes on with an erasure that has ended."""
        is_erasure = execution.workflow_type == self._workflows.erasure_type
        is_complete = is_erasure and execution.status is WorkflowExecutionStatus.COMPLETED
        now = await temporal_now(self._client)
        request = ErasureRequest(
            run_id=None if is_erasure else execution.run_id,
            last_sweep_after=now if is_complete else (execution.close_time or now) + timedelta(seconds=self._grace_s),
            grace_s=self._grace_s,
            memories=memories,
        )
        with suppress(WorkflowAlreadyStartedError):  # another request has started it, or the workflow runs
            await self._client.start_workflow(
                self._workflows.erasure_type,
                request,
                id=execution.id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, tenant_of(execution))]),
                memo={ERASES_MEMORIES_MEMO: True} if memories else None,
                rpc_timeout=RPC_TIMEOUT,
            )

    async def erase_memories(
        self, execution: WorkflowExecutionDescription, erase: Callable[[str, str], Awaitable[int]]
    ) -> int:
        """Call ``erase`` with the tenant and id of a workflow; return how many memories that erased.

        It isn't called, and the result is 0, if an erasure does it at its end, or has done so.
        """
        if erases_memories(execution) and execution.status in _COMPLETE:
            return 0
        return await erase(tenant_of(execution), execution.id)

    async def progress(self, erasure: WorkflowExecutionDescription, *, memories: int | None = None) -> ErasureProgress:
        """Return how far an erasure is, within ``calling``; ``memories`` is how many were erased before."""
        is_running = erasure.status is WorkflowExecutionStatus.RUNNING
        waits = is_running and not await self._workers.polls(erasure)
        problem = await erasure_problem(erasure, self._workflows.converter(erasure.id))
        return ErasureProgress(erasure.id, "erasing" if is_running else "erased", memories, waits, problem)
