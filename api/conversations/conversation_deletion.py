"""Delete conversations: their workflows and those of their turns, with all that these have stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from activities.temporal.encrypted_payloads import is_erased
from api.conversations.conversation_service import ConversationService
from api.conversations.conversation_snapshot import ConversationSnapshot
from api.conversations.conversation_workflows import ConversationWorkflows
from api.tasks.errors import ConversationErased
from api.tasks.task_reading import until_closed
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.workers.worker_presence import WorkerPresence
from api.tasks.workflow_erasure import WorkflowErasure
from workflows.conversations.conversation_types import DELETE_CONVERSATION

__all__ = ["ConversationDeletion"]

_END_TIMEOUT_S = 5.0
"""How long to wait until a running turn has ended after its cancellation; then the conversation is terminated."""
_CALLS_TIMEOUT_S = 30.0


class ConversationDeletion:
    """Deletes conversations. Once a call has returned, a worker and Temporal do the rest; see ``WorkflowErasure``."""

    def __init__(self, client: Client, conversations: ConversationService, settings: Settings) -> None:
        self._client = client
        self._conversations = conversations
        self._workflows = ConversationWorkflows(client, settings, finds_deleted=True)
        self._erasure = WorkflowErasure(client, settings, self._workflows)
        self._workers = WorkerPresence(client)

    async def delete(self, conversation_id: str) -> ConversationSnapshot:
        """Delete a conversation and its turns; a running turn is cancelled first. Return it, with status ``deleted``.

        A call that fails midway can be repeated.

        Raises:
            ConversationNotFound: there is no conversation with this id.
            ConversationErased: an earlier call has deleted it; or its key was destroyed, and now it is deleted as well.
            TemporalUnreachable, TemporalNotReady: as every call.
        """
        handle = self._workflows.handle(conversation_id)
        async with self._workflows.calling(conversation_id):
            execution = await self._workflows.describe_any(handle)
            if execution.workflow_type == self._workflows.erasure_type:
                await self._erasure.start(execution)
                raise ConversationErased(conversation_id)
            is_unreadable = await is_erased(self._client, conversation_id)
        conversation = None if is_unreadable else await self._conversations.snapshot(execution)
        async with self._workflows.calling(conversation_id, timeout_s=_CALLS_TIMEOUT_S):
            while execution.workflow_type != self._workflows.erasure_type:
                if execution.status is WorkflowExecutionStatus.RUNNING:
                    await self._end(execution)
                execution = await self._erasure.start(await self._workflows.describe_any(handle))
        if conversation is None:
            raise ConversationErased(conversation_id)
        return replace(conversation, status="deleted", current_task_id=None, queued=0)

    async def _end(self, execution: WorkflowExecutionDescription) -> None:
        """Ask a running conversation to end its turn and itself; terminate it if it doesn't, or no worker runs."""
        handle = self._workflows.handle(execution.id)
        with _unless_gone():
            await handle.signal(DELETE_CONVERSATION, rpc_timeout=RPC_TIMEOUT)
        if await self._workers.polls(execution):
            with suppress(TimeoutError), _unless_gone():
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await until_closed(self._client, execution.id)
                    return
        newest = await self._workflows.describe_any(handle)
        if newest.workflow_type == self._workflows.workflow_type:  # else another call has ended and erased it
            with _unless_gone():
                await self._client.get_workflow_handle(newest.id, run_id=newest.run_id).terminate(
                    reason="Deleted through the API", rpc_timeout=RPC_TIMEOUT
                )


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Ignore errors because a workflow has ended or was deleted."""
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
