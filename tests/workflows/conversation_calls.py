"""Start conversations, send them messages and read what they have, as the API does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from agentkit.messages import Message, user_message
from agentkit.specs import AgentSpec
from tests.workflows.conftest import TIMEOUT_S, Handle, TaskEnvironment
from workflows.agent_task import AgentTask
from workflows.conversations.conversation import ConversationWorkflow
from workflows.conversations.conversation_types import (
    ConversationInput,
    ConversationMessage,
    ConversationResult,
    ConversationView,
    SendVerdict,
    Turn,
    TurnPage,
    TurnRange,
)

__all__ = ["Talk", "start_talk"]


@dataclass(frozen=True)
class Talk:
    """A conversation of a test."""

    env: TaskEnvironment
    handle: WorkflowHandle[ConversationWorkflow, ConversationResult]
    agent: AgentSpec

    @property
    def id(self) -> str:
        return self.handle.id

    def message(self, text: str | Message, message_id: str | None = None, **fields: Any) -> ConversationMessage:
        """Return a message, of an id of its own if none is given."""
        content = user_message(text) if isinstance(text, str) else text
        message_id = message_id or uuid.uuid4().hex[:12]
        return ConversationMessage(**{"id": message_id, "agent": self.agent, "message": content, **fields})

    async def send(self, text: str | Message, message_id: str | None = None, **fields: Any) -> SendVerdict:
        """Send a message by update, and return the verdict."""
        return await self.sent(self.message(text, message_id, **fields))

    async def sent(self, message: ConversationMessage) -> SendVerdict:
        """Send this message by update, and return the verdict."""
        verdict: SendVerdict = await asyncio.wait_for(
            self.handle.execute_update("send_message", message, result_type=SendVerdict), TIMEOUT_S
        )
        return verdict

    async def signal(self, text: str, message_id: str | None = None, **fields: Any) -> None:
        """Send a message by signal."""
        await self.handle.signal("send_message", self.message(text, message_id, **fields))

    async def refusal(self, text: str, message_id: str | None = None, **fields: Any) -> str | None:
        """Return the type of the error of a message that is refused."""
        with pytest.raises(WorkflowUpdateFailedError) as raised:
            await self.send(text, message_id, **fields)
        assert isinstance(raised.value.cause, ApplicationError), repr(raised.value.cause)
        return raised.value.cause.type

    async def say(self, text: str, message_id: str | None = None, **fields: Any) -> str:
        """Send a message, wait for the end of its turn, and return the output."""
        verdict = await self.send(text, message_id, **fields)
        return str((await self.env.result(self.task(verdict.task_id))).output)

    def task(self, task_id: str) -> Handle:
        """Return the handle of a turn's task."""
        return self.env.client.get_workflow_handle_for(AgentTask.run, task_id)

    async def view(self) -> ConversationView:
        """Query the conversation."""
        return await self.handle.query(ConversationWorkflow.conversation)

    async def view_when(self, is_wanted: Callable[[ConversationView], bool]) -> ConversationView:
        """Query the conversation until it is as wanted."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                view = await self.view()
                if is_wanted(view):
                    return view

    async def until_idle(self, turns: int) -> ConversationView:
        """Return when so many turns have ended, and none runs."""
        return await self.view_when(lambda view: view.status == "idle" and view.turns == turns and not view.queued)

    async def turns(self, after: int = 0, limit: int = 1_000) -> tuple[Turn, ...]:
        """Query the turns."""
        page: TurnPage = await self.handle.query(ConversationWorkflow.turns, TurnRange(after=after, limit=limit))
        return page.turns

    async def transcript(self) -> list[Message]:
        """Read the whole transcript."""
        return await self.env.transcript(self.env.client.get_workflow_handle_for(AgentTask.run, self.id))

    async def texts(self) -> list[str]:
        """Return the texts of the transcript's messages."""
        return [message.text for message in await self.transcript()]

    async def delete_execution(self, workflow_id: str) -> None:
        """Have Temporal erase a workflow, as it does after the namespace's retention; return when it is gone."""
        client = self.env.client
        execution = WorkflowExecution(workflow_id=workflow_id)
        request = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
        await client.workflow_service.delete_workflow_execution(request)
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                try:
                    await client.get_workflow_handle(workflow_id).describe()
                except RPCError as error:
                    if error.status is RPCStatusCode.NOT_FOUND:
                        return
                    raise

    async def result(self) -> ConversationResult:
        """Wait for the end of the conversation."""
        return await asyncio.wait_for(self.handle.result(), TIMEOUT_S)


async def start_talk(env: TaskEnvironment, agent: AgentSpec | None = None, **fields: Any) -> Talk:
    """Start a conversation."""
    agent = agent or env.agent()
    handle = await env.client.start_workflow(
        ConversationWorkflow.run,
        ConversationInput(**{"agent": agent.name, **fields}),
        id=f"conversation-{uuid.uuid4().hex}",
        task_queue=env.settings.task_queue,
    )
    return Talk(env, handle, agent)
