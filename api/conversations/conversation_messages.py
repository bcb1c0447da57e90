"""Send messages to conversations: each starts a turn, or the running turn reads it."""

from __future__ import annotations

from temporalio.client import Client, WorkflowExecutionDescription

from activities.settings import Settings
from activities.temporal.temporal_clock import temporal_now
from agentkit.catalog.catalog import Catalog
from agentkit.errors import ConversationBusy, MessageConflict, SteeringInvalid
from agentkit.messages import user_message
from agentkit.specs import AgentSpec
from api.conversations.conversation_requests import TurnRequest
from api.conversations.conversation_service import ConversationService
from api.conversations.conversation_snapshot import ConversationSnapshot, SentTurn
from api.conversations.conversation_starter import message_id
from api.conversations.conversation_workflows import ConversationWorkflows
from api.conversations.pending_turns import queued_turn
from api.current_principal import authenticated_subject
from api.tasks.errors import MessageRefused, SteeringRefused, TaskNotFound
from api.tasks.requests.schema_checks import SchemaChecks
from api.tasks.requests.task_requests import NewTask
from api.tasks.starting.agent_choice import AgentChoice
from api.tasks.starting.referenced_input import ReferencedInput
from api.tasks.starting.task_start import request_hash, task_title
from api.tasks.task_service import TaskService
from api.tasks.task_snapshot import TaskSnapshot, TaskUrls
from api.tasks.task_updates import TaskUpdates
from api.tasks.tenants.tenant_limits import TenantLimits
from api.tasks.visibility.tenant_access import acting_for
from workflows.conversations.conversation_types import (
    SEND_TO_CONVERSATION,
    ConversationMessage,
    SendVerdict,
    turn_task_id,
)
from workflows.search_attributes import MEMO_BODY_HASH

__all__ = ["ConversationMessages"]


class ConversationMessages:
    """Sends messages, also while no worker runs: then Temporal stores them until one does.

    Every method may raise TemporalUnreachable, TemporalNotReady and PayloadUnavailable.
    """

    def __init__(
        self,
        client: Client,
        conversations: ConversationService,
        tasks: TaskService,
        catalog: Catalog,
        settings: Settings,
    ) -> None:
        self._client = client
        self._conversations = conversations
        self._tasks = tasks
        self._agents = AgentChoice(catalog, settings)
        self._input = ReferencedInput(client, settings)
        self._workflows = ConversationWorkflows(client, settings)
        self._updates = TaskUpdates(client, settings, workflows=self._workflows)
        self._limits = TenantLimits(client, settings)
        self._schemas = SchemaChecks()
        self._urls = TaskUrls.of(settings.temporal_ui_url, client.namespace)
        self._notify = settings.input_webhook is not None

    async def send(self, conversation_id: str, request: TurnRequest, *, key: str | None = None) -> SentTurn:
        """Send a message; repeated requests with the same idempotency key send it once.

        Raises:
            ConversationNotFound: there is no conversation with this id.
            MessageRefused: a turn runs, the conversation has ended, too many messages wait, or the key was used for
                another message.
            TaskRefused: there is no such agent, or its model, tools or options can't be used.
            McpServerFailed, McpServerTimedOut: the MCP server of a prompt or resource can't be used now.
            WorkerUnavailable: no worker responds; only a worker can read prompts and resources.
            TenantLimited: a turn would start, and the tenant has as many running tasks as it may have.
            TenantSpent: the tenant has spent what it may spend in a day.
        """
        own_id = message_id(conversation_id, key)
        task_id = turn_task_id(conversation_id, own_id)
        body_hash = None if key is None else request_hash(request, conversation=conversation_id)
        if body_hash is not None and (earlier := await self._earlier_turn(task_id, body_hash)) is not None:
            return SentTurn(earlier, "started", is_new=False)
        execution = await self._workflows.unended(conversation_id)
        conversation = await self._conversations.snapshot(execution)
        with acting_for(conversation.tenant):
            message = await self._message(own_id, request, conversation, body_hash)
            async with self._workflows.calling(conversation_id):
                await self._limits.check(starts_task=conversation.current_task_id is None)
        is_stuck = not await self._updates.may_respond(execution)
        if is_stuck:
            _check_listed(conversation, message)
        verdict = await self._deliver(execution, message)
        return await self._sent(verdict, message, conversation, waiting_for_worker=is_stuck)

    async def _message(
        self, own_id: str, request: TurnRequest, conversation: ConversationSnapshot, body_hash: str | None
    ) -> ConversationMessage:
        agent = await self._agent(request, conversation)
        message = user_message(await self._input.resolve(request.input))
        return ConversationMessage(
            id=own_id,
            agent=agent,
            message=message,
            title=task_title(message),
            on_busy=request.on_busy,
            sent_by=authenticated_subject(),
            tags=conversation.tags,
            metadata={**conversation.metadata, **request.metadata},
            body_hash=body_hash,
            notify=self._notify,
        )

    async def _agent(self, request: TurnRequest, conversation: ConversationSnapshot) -> AgentSpec:
        """Return the agent of a turn. The conversation's model is used only with the conversation's agent."""
        is_own = request.agent is None or request.agent == conversation.agent
        new_task = NewTask.model_construct(
            agent=request.agent or conversation.agent,
            model=request.model or (conversation.model if is_own else None),
            limits=request.limits,
            output_schema=request.output_schema,
        )
        await self._schemas.check(new_task)
        return self._agents.requested(new_task)

    async def _deliver(
        self, execution: WorkflowExecutionDescription, message: ConversationMessage
    ) -> SendVerdict | None:
        """Send the message; return None if no worker has processed it in time."""
        update_id = f"{SEND_TO_CONVERSATION}:{message.id}:{message.body_hash or ''}"
        try:
            return await self._updates.send(execution, SEND_TO_CONVERSATION, message, SendVerdict, update_id=update_id)
        except SteeringRefused as error:
            raise MessageRefused(str(error), SteeringInvalid) from error

    async def _sent(
        self,
        verdict: SendVerdict | None,
        message: ConversationMessage,
        conversation: ConversationSnapshot,
        *,
        waiting_for_worker: bool,
    ) -> SentTurn:
        if verdict is not None and verdict.outcome != "queued":
            return SentTurn(await self._tasks.changed(verdict.task_id), verdict.outcome, is_new=verdict.is_new)
        async with self._workflows.calling(conversation.id):
            now = await temporal_now(self._client)
        task = queued_turn(message, conversation, now, self._urls, waiting_for_worker=waiting_for_worker)
        if verdict is None:
            return SentTurn(task, None)
        if not verdict.is_new and (started := await self._started(task.id)) is not None:
            return SentTurn(started, "started", is_new=False)
        return SentTurn(task, "queued", is_new=verdict.is_new)

    async def _earlier_turn(self, task_id: str, body_hash: str) -> TaskSnapshot | None:
        """Return the turn that an earlier request with the same key started; None: there is none.

        Raises:
            MessageRefused: it was another request.
        """
        try:
            execution = await self._tasks.describe(task_id)
        except TaskNotFound:
            return None
        if await execution.memo_value(MEMO_BODY_HASH, default=None) != body_hash:
            text = f"This Idempotency-Key started turn {task_id!r} with another body. Take a new key for a new message."
            raise MessageRefused(text, MessageConflict)
        return await self._tasks.changed(task_id)

    async def _started(self, task_id: str) -> TaskSnapshot | None:
        try:
            return await self._tasks.changed(task_id)
        except TaskNotFound:
            return None


def _check_listed(conversation: ConversationSnapshot, message: ConversationMessage) -> None:
    """Check a message by Temporal's visibility alone, as no worker can check it now.

    Raises:
        MessageRefused: a turn runs, and ``on_busy`` is ``reject``.
    """
    running = conversation.current_task_id
    if running is not None and (message.on_busy or conversation.on_busy) == "reject":
        text = f"Turn {running!r} runs. Send the message when it has ended, or with on_busy enqueue or interrupt."
        raise MessageRefused(text, ConversationBusy)
