"""Turns whose task hasn't started, because an earlier turn runs or no worker does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.converter import DataConverter

from activities.settings import Settings
from api.conversations.conversation_snapshot import ConversationSnapshot, ConversationUrls
from api.conversations.conversation_visibility import listed_conversation
from api.conversations.conversation_workflows import ConversationWorkflows
from api.tasks.errors import ConversationErased, ConversationNotFound, PayloadUnavailable, WorkerUnavailable
from api.tasks.payload_decoding import decode_record
from api.tasks.task_snapshot import TaskSnapshot, TaskUrls, input_content
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.workers.worker_presence import WorkerPresence
from api.tasks.workers.worker_queries import QUERY_CALLS_TIMEOUT_S, WorkerQueries
from workflows.conversations.conversation_types import (
    CONVERSATION_QUERY,
    SEND_TO_CONVERSATION,
    CarriedConversation,
    ConversationInput,
    ConversationMessage,
    ConversationView,
    turn_task_id,
)

__all__ = ["PendingTurns", "queued_turn"]

_PREFIX = "conversation-"


def queued_turn(
    message: ConversationMessage,
    conversation: ConversationSnapshot,
    created_at: datetime,
    urls: TaskUrls,
    *,
    waiting_for_worker: bool,
) -> TaskSnapshot:
    """Return a snapshot, with status ``queued``, of the task that a turn will start."""
    task_id = turn_task_id(conversation.id, message.id)
    return TaskSnapshot(
        id=task_id,
        agent=message.agent.name,
        status="queued",
        title=message.title,
        input=input_content(message.message),
        conversation_id=conversation.id,
        waiting_for_worker=waiting_for_worker,
        tags=message.tags,
        metadata=message.metadata,
        user=conversation.user,
        tenant=conversation.tenant,
        created_at=created_at,
        links=urls.links(task_id),
    )


class PendingTurns:
    """Finds turns that haven't started. An implementation of ``PendingTasks``."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._workflows = ConversationWorkflows(client, settings)
        self._queries = WorkerQueries(client, settings)
        self._workers = WorkerPresence(client)
        self._urls = TaskUrls.of(settings.temporal_ui_url, client.namespace)
        self._conversation_urls = ConversationUrls.of(settings.temporal_ui_url, client.namespace)

    async def find(self, task_id: str) -> TaskSnapshot | None:
        """Return the task of a turn that hasn't started; None if there is none with this id.

        Raises:
            TemporalUnreachable, TemporalNotReady: as every call.
            PayloadUnavailable: its message can't be read.
        """
        conversation_id, separator, own_id = task_id.rpartition("-")
        if not separator or not conversation_id.startswith(_PREFIX):
            return None
        handle = self._workflows.handle(conversation_id)
        try:
            async with self._workflows.calling(conversation_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
                execution = await self._workflows.describe(handle)
                if execution.status is not WorkflowExecutionStatus.RUNNING or not await self._waits(execution, own_id):
                    return None
                found = await self._message(execution, own_id)
                if found is None:
                    return None
                conversation = await listed_conversation(execution, self._conversation_urls)
                is_stuck = not await self._workers.polls(execution)
        except (ConversationErased, ConversationNotFound):
            return None
        message, sent_at = found
        return queued_turn(message, conversation, sent_at, self._urls, waiting_for_worker=is_stuck)

    async def _waits(self, execution: WorkflowExecutionDescription, own_id: str) -> bool:
        """Return whether the message is queued, from the workflow; True if no worker responds, as it may be."""
        handle = self._workflows.handle(execution.id)
        try:
            view = await self._queries.query(handle, execution, CONVERSATION_QUERY, ConversationView)
        except (WorkerUnavailable, PayloadUnavailable):
            return True
        return own_id in view.queued_ids or view.current_task_id == turn_task_id(execution.id, own_id)

    async def _message(
        self, execution: WorkflowExecutionDescription, own_id: str
    ) -> tuple[ConversationMessage, datetime] | None:
        """Return the message with this id and its time, from the history of the conversation's newest run."""
        converter = self._workflows.converter(execution.id)
        handle = self._workflows.handle(execution.id)
        async for event in handle.fetch_history_events(rpc_timeout=RPC_TIMEOUT):
            async for message in _messages(event, converter):
                if message.id == own_id:
                    return message, event.event_time.ToDatetime(tzinfo=UTC)
        return None


async def _messages(event: HistoryEvent, converter: DataConverter) -> AsyncIterator[ConversationMessage]:
    """Yield the messages in an event of a conversation's history."""
    if event.HasField("workflow_execution_started_event_attributes"):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        new = await decode_record(converter, payloads[:1], ConversationInput)
        if new is not None and new.message is not None:
            yield new.message
        carried = await decode_record(converter, payloads[1:2], CarriedConversation)
        for message in () if carried is None else carried.queue:
            yield message
        return
    sent = await decode_record(converter, _sent_payloads(event), ConversationMessage)
    if sent is not None:
        yield sent


def _sent_payloads(event: HistoryEvent) -> Sequence[Payload]:
    """Return the arguments of a signal or an update that sends a message; empty for other events."""
    if event.HasField("workflow_execution_signaled_event_attributes"):
        signal = event.workflow_execution_signaled_event_attributes
        return signal.input.payloads if signal.signal_name == SEND_TO_CONVERSATION else ()
    if event.HasField("workflow_execution_update_accepted_event_attributes"):
        request = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
        return request.args.payloads if request.name == SEND_TO_CONVERSATION else ()
    return ()
