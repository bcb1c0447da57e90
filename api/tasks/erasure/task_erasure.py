"""Erase tasks that have ended: histories, payloads, results and files; memories by choice."""

from __future__ import annotations

from typing import Protocol

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.erasure_payloads import ERASURE_TYPES
from activities.settings import Settings
from api.tasks.erasure.workflow_erasure import GRACE_S, WorkflowErasure
from api.tasks.erasure_progress import ErasureProgress
from api.tasks.errors import ErasureRefused, TaskNotFound, TaskRunning
from api.tasks.task_service import TaskService
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.visibility.task_visibility import visible_status
from workflows.search_attributes import CONVERSATION, PARENT

__all__ = ["TaskErasures", "TaskMemories"]


class TaskMemories(Protocol):
    """Long-term memory, as far as erasing tasks needs it."""

    async def erase_of_task(self, tenant: str, task_id: str) -> int:
        """Erase the memories that a task of the tenant has written; return how many.

        Raises:
            MemoryNotServed, MemoryNotUsable: it can't be reached or used now.
        """
        ...


class TaskErasures:
    """Erases tasks; the API needs no worker to accept it, and a worker does it.

    Every method may raise TemporalUnreachable and TemporalNotReady.
    """

    def __init__(
        self,
        client: Client,
        tasks: TaskService,
        memories: TaskMemories,
        settings: Settings,
        *,
        grace_s: float = GRACE_S,
    ) -> None:
        self._tasks = tasks
        self._memories = memories
        self._client = client
        self._workflows = TaskWorkflows(client, settings)
        self._erasure = WorkflowErasure(client, settings, self._workflows, grace_s=grace_s)

    async def erase(self, task_id: str, *, memories: bool = False) -> ErasureProgress:
        """Erase a task that has ended, and with ``memories`` what it has written to long-term memory.

        A repeated request says how far it is, and may erase the memories that an earlier one has left.

        Raises:
            TaskNotFound: there is no task of this id.
            TaskRunning: it has not ended.
            ErasureRefused: it belongs to a conversation or to another task.
            MemoryNotServed, MemoryNotUsable: long-term memory can't be reached or used; nothing is erased then.
        """
        handle = self._workflows.handle(task_id)
        try:
            async with self._workflows.calling(task_id):
                execution = await self._workflows.describe_any(handle)
                await self._check(execution)
        except TaskNotFound:
            if await self._tasks.describe_started(task_id) is None:
                raise ErasureRefused(_turn_text(task_id, task_id.rpartition("-")[0])) from None
            raise
        count = None
        if memories:
            count = await self._erasure.erase_memories(execution, self._memories.erase_of_task)
        async with self._workflows.calling(task_id):
            erasure = await self._erasure.start(execution, memories=memories)
            self._check_ended(erasure)
            return await self._erasure.progress(erasure, memories=count)

    async def _check(self, execution: WorkflowExecutionDescription) -> None:
        """Check that a task may be erased.

        Raises:
            TaskRunning, ErasureRefused: it may not.
        """
        if execution.workflow_type in ERASURE_TYPES:
            return
        conversation_id = execution.typed_search_attributes.get(CONVERSATION)
        if conversation_id is not None and await self._exists(conversation_id):
            raise ErasureRefused(_turn_text(execution.id, conversation_id))
        parent_id = execution.typed_search_attributes.get(PARENT)
        if parent_id is not None and await self._exists(parent_id):
            raise ErasureRefused(
                f"Task {execution.id!r} is a part of task {parent_id!r}, whose history refers to its result. Erase "
                "that one: it erases both."
            )
        self._check_ended(execution)

    def _check_ended(self, execution: WorkflowExecutionDescription) -> None:
        is_running = execution.status is WorkflowExecutionStatus.RUNNING
        if is_running and execution.workflow_type not in ERASURE_TYPES:
            raise TaskRunning(execution.id, visible_status(execution))

    async def _exists(self, workflow_id: str) -> bool:
        try:
            owner = await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return owner.workflow_type not in ERASURE_TYPES


def _turn_text(task_id: str, conversation_id: str) -> str:
    return (
        f"Task {task_id!r} is a turn of conversation {conversation_id!r}, which has its messages. Delete the "
        "conversation: that erases its turns as well."
    )
