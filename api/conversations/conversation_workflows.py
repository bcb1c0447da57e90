"""The workflows of conversations, by their ids: found, described, and whether they still run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from temporalio.client import WorkflowExecutionDescription

from agentkit.errors import ConversationEnded
from api.tasks.errors import ConversationNotFound, MessageRefused, ServiceError, TaskNotFound
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.temporal_calls import CALLS_TIMEOUT_S
from workflows.conversation_types import CONVERSATION_TYPE

__all__ = ["ConversationWorkflows"]


class ConversationWorkflows(TaskWorkflows):
    """Finds the workflows of conversations; its methods raise ConversationNotFound where there is none."""

    workflow_type = CONVERSATION_TYPE
    not_found = ConversationNotFound

    def calling(self, task_id: str = "", *, timeout_s: float = CALLS_TIMEOUT_S) -> AbstractAsyncContextManager[None]:
        """Return ``calling_temporal`` for the client's address, and a conversation of this id."""
        return self._finding(task_id, super().calling(task_id, timeout_s=timeout_s))

    def ended(self, execution: WorkflowExecutionDescription) -> ServiceError:
        """Return the error for what can't be done with a conversation that has ended."""
        text = f"Conversation {execution.id!r} has ended. Fork it after its last turn to go on."
        return MessageRefused(text, ConversationEnded)

    @asynccontextmanager
    async def _finding(self, conversation_id: str, calling: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
        try:
            async with calling:
                yield
        except TaskNotFound:
            raise ConversationNotFound(conversation_id) from None
