"""Delete conversations: their workflows and those of their turns, with the histories."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from api.conversations.conversation_service import ConversationService
from api.conversations.conversation_snapshot import ConversationSnapshot
from api.conversations.conversation_workflows import ConversationWorkflows
from api.tasks.task_reading import until_closed
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.visibility_text import quoted
from api.tasks.workers.worker_presence import WorkerPresence
from workflows.conversations.conversation_types import DELETE_CONVERSATION
from workflows.search_attributes import CONVERSATION
from workflows.task_types import WORKFLOW_TYPE

__all__ = ["ConversationDeletion"]

_END_TIMEOUT_S = 5.0
"""How long to wait until a running turn has ended after its cancellation; then deleting terminates it."""
_CALLS_TIMEOUT_S = 60.0
"""For all calls together: a conversation may have thousands of turns."""


class ConversationDeletion:
    """Deletes conversations. Temporal deletes their histories soon afterwards, workers their payloads later."""

    def __init__(self, client: Client, conversations: ConversationService, settings: Settings) -> None:
        self._client = client
        self._conversations = conversations
        self._workflows = ConversationWorkflows(client, settings, finds_deleted=True)
        self._workers = WorkerPresence(client)

    async def delete(self, conversation_id: str) -> ConversationSnapshot:
        """Delete a conversation and its turns; a running turn is cancelled first. Return it, with status ``deleted``.

        A call that fails midway can be repeated.

        Raises:
            ConversationNotFound: there is no conversation with this id.
            TemporalUnreachable, TemporalNotReady: as every call.
        """
        handle = self._workflows.handle(conversation_id)
        async with self._workflows.calling(conversation_id):
            execution = await self._workflows.describe(handle)
        conversation = await self._conversations.snapshot(execution)
        turns = f"WorkflowType = '{WORKFLOW_TYPE}' AND {CONVERSATION.name} = {quoted(conversation_id)}"
        async with self._workflows.calling(conversation_id, timeout_s=_CALLS_TIMEOUT_S):
            if execution.status is WorkflowExecutionStatus.RUNNING:
                await self._end(execution)
            await self._delete_all(turns)
            if conversation.current_task_id is not None:  # visibility may not have it yet
                await self._delete(conversation.current_task_id, "")
            await self._delete(conversation_id, "")
            await self._delete_all(f"WorkflowId = {quoted(conversation_id)}")
            await self._delete_all(turns)  # a turn that started meanwhile
        return replace(conversation, status="deleted", current_task_id=None, queued=0)

    async def _end(self, execution: WorkflowExecutionDescription) -> None:
        """Ask a running conversation to end its turn and itself; wait for that if a worker runs."""
        handle = self._workflows.handle(execution.id)
        with _unless_gone():
            await handle.signal(DELETE_CONVERSATION, rpc_timeout=RPC_TIMEOUT)
        if await self._workers.polls(execution.task_queue):
            with suppress(TimeoutError), _unless_gone():
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await until_closed(self._client, execution.id)

    async def _delete_all(self, query: str) -> None:
        async for execution in self._client.list_workflows(query, rpc_timeout=RPC_TIMEOUT):
            await self._delete(execution.id, execution.run_id)

    async def _delete(self, workflow_id: str, run_id: str) -> None:
        """Delete a run, or the newest one if ``run_id`` is empty; Temporal terminates it if it runs."""
        request = DeleteWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        )
        with _unless_gone():
            await self._client.workflow_service.delete_workflow_execution(request, timeout=RPC_TIMEOUT)


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Ignore errors because a workflow has ended or was deleted."""
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
