"""Find and describe the workflows of conversations by their ids."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus

from activities.erasure_payloads import CONVERSATION_ERASURE
from activities.settings import Settings
from agentkit.errors import ConversationEnded
from api.tasks.errors import ConversationErased, ConversationNotFound, MessageRefused, ServiceError, TaskNotFound
from api.tasks.task_workflows import TaskHandle, TaskWorkflows
from api.tasks.temporal_calls import CALLS_TIMEOUT_S
from workflows.conversations.conversation_types import CONVERSATION_TYPE
from workflows.search_attributes import STATUS

__all__ = ["ConversationWorkflows"]


class ConversationWorkflows(TaskWorkflows):
    """``TaskWorkflows`` for conversations; its methods raise ConversationNotFound instead of TaskNotFound."""

    workflow_type = CONVERSATION_TYPE
    not_found = ConversationNotFound
    erasure_type = CONVERSATION_ERASURE
    erased = ConversationErased

    def __init__(self, client: Client, settings: Settings, *, finds_deleted: bool = False) -> None:
        """Find deleted conversations as well, as long as Temporal has them, if ``finds_deleted``."""
        super().__init__(client, settings)
        self._finds_deleted = finds_deleted

    async def describe(self, handle: TaskHandle) -> WorkflowExecutionDescription:
        """Return the workflow's description, within ``calling``.

        Raises:
            ConversationNotFound: the workflow isn't a conversation, or is being deleted.
            ConversationErased: it was erased.
        """
        execution = await super().describe(handle)
        has_ended = execution.status is not WorkflowExecutionStatus.RUNNING
        is_deleted = has_ended and execution.typed_search_attributes.get(STATUS) == "deleted"
        if is_deleted and not self._finds_deleted:
            raise ConversationNotFound(handle.id)
        return execution

    def calling(self, task_id: str = "", *, timeout_s: float = CALLS_TIMEOUT_S) -> AbstractAsyncContextManager[None]:
        """Return ``calling_temporal`` for the client's address; ``task_id`` is the id of a conversation."""
        return self._finding(task_id, super().calling(task_id, timeout_s=timeout_s))

    def ended(self, execution: WorkflowExecutionDescription) -> ServiceError:
        """Return the error for a call that a conversation refuses because it has ended."""
        text = f"Conversation {execution.id!r} has ended. Fork it after its last turn to go on."
        return MessageRefused(text, ConversationEnded)

    @asynccontextmanager
    async def _finding(self, conversation_id: str, calling: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
        try:
            async with calling:
                yield
        except TaskNotFound:
            raise ConversationNotFound(conversation_id) from None
