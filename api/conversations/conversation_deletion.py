"""Delete conversations: their workflows and those of their turns, with all that these have stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from api.conversations.conversation_workflows import ConversationWorkflows
from api.tasks.erasure.workflow_erasure import WorkflowErasure
from api.tasks.erasure_progress import ErasureProgress
from api.tasks.task_reading import until_closed
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.workers.worker_presence import WorkerPresence
from workflows.conversations.conversation_types import DELETE_CONVERSATION

__all__ = ["ConversationDeletion", "ConversationMemories"]

_END_TIMEOUT_S = 5.0
"""How long to wait until a running turn has ended after its cancellation; then the conversation is terminated."""
_CALLS_TIMEOUT_S = 30.0


class ConversationMemories(Protocol):
    """Long-term memory, as far as deleting conversations needs it."""

    async def erase_of_conversation(self, tenant: str, conversation_id: str) -> int:
        """Erase the memories that turns of a conversation of the tenant have written; return how many.

        Raises:
            MemoryNotServed, MemoryNotUsable: it can't be reached or used now.
        """
        ...


class ConversationDeletion:
    """Deletes conversations. Once a call has returned, a worker and Temporal do the rest; see ``WorkflowErasure``."""

    def __init__(self, client: Client, memories: ConversationMemories, settings: Settings) -> None:
        self._client = client
        self._memories = memories
        self._workflows = ConversationWorkflows(client, settings, finds_deleted=True)
        self._erasure = WorkflowErasure(client, settings, self._workflows)
        self._workers = WorkerPresence(client)

    async def delete(self, conversation_id: str, *, memories: bool = False) -> ErasureProgress:
        """Erase a conversation and its turns, and with ``memories`` what these have written to long-term memory.

        A running turn is cancelled first. A repeated request says how far it is, goes on where one failed midway, and
        may erase the memories that an earlier one has left.

        Raises:
            ConversationNotFound: there is no conversation with this id.
            MemoryNotServed, MemoryNotUsable: long-term memory can't be reached or used; nothing is erased then.
            TemporalUnreachable, TemporalNotReady: as every call.
        """
        handle = self._workflows.handle(conversation_id)
        async with self._workflows.calling(conversation_id):
            execution = await self._workflows.describe_any(handle)
        count = None
        if memories:
            count = await self._erasure.erase_memories(execution, self._memories.erase_of_conversation)
        async with self._workflows.calling(conversation_id, timeout_s=_CALLS_TIMEOUT_S):
            while True:
                is_erasure = execution.workflow_type == self._workflows.erasure_type
                if not is_erasure and execution.status is WorkflowExecutionStatus.RUNNING:
                    await self._end(execution)
                    execution = await self._workflows.describe_any(handle)
                execution = await self._erasure.start(execution, memories=memories)
                if execution.workflow_type == self._workflows.erasure_type:
                    return await self._erasure.progress(execution, memories=count)

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
