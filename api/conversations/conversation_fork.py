"""Fork conversations: start a new one that continues after a turn of another, independent of it afterwards."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from temporalio.client import Client, WorkflowExecutionDescription

from activities.payload_types import TranscriptRange, TranscriptSource
from activities.settings import Settings
from agentkit.catalog.catalog import Catalog
from agentkit.messages import Message
from api.conversations.conversation_requests import ConversationForkRequest
from api.conversations.conversation_service import ConversationService
from api.conversations.conversation_snapshot import CreatedConversation
from api.conversations.conversation_starter import ConversationStarter, new_conversation_id
from api.conversations.conversation_workflows import ConversationWorkflows
from api.tasks.errors import PayloadUnavailable, TaskRefused
from api.tasks.forks.fork_copies import ForkCopies, transcript_digest
from api.tasks.starting.agent_choice import AgentChoice
from api.tasks.starting.idempotency_keys import IdempotencyKey
from api.tasks.starting.task_start import request_hash
from api.tasks.task_transcripts import TaskTranscripts
from api.tasks.task_workflows import TaskHandle
from api.tasks.visibility.tenant_access import acting_for, own_tenant
from api.tasks.workers.worker_queries import QUERY_CALLS_TIMEOUT_S, WorkerQueries
from workflows.conversations.conversation_types import (
    CONVERSATION_QUERY,
    TURNS_QUERY,
    ConversationFork,
    ConversationInput,
    ConversationView,
    Turn,
    TurnPage,
    TurnRange,
)

__all__ = ["ConversationForks"]


class ConversationForks:
    """Forks conversations, which may have ended.

    Every method may raise TemporalUnreachable, TemporalNotReady and PayloadUnavailable.
    """

    def __init__(
        self, client: Client, conversations: ConversationService, catalog: Catalog, settings: Settings
    ) -> None:
        self._conversations = conversations
        self._agents = AgentChoice(catalog, settings)
        self._starter = ConversationStarter(client, settings)
        self._workflows = ConversationWorkflows(client, settings)
        self._queries = WorkerQueries(client, settings)
        self._transcripts = TaskTranscripts(client, self._queries)
        self._copies = ForkCopies(client, settings, self._workflows)

    async def fork(
        self, conversation_id: str, request: ConversationForkRequest, *, key: str | None = None
    ) -> CreatedConversation:
        """Start a conversation that continues after a turn of another one.

        A repeated request with the same idempotency key returns the first fork. The fork belongs to the tenant of the
        other conversation; the key to the principal's own.

        Raises:
            ConversationNotFound: there is no conversation with this id.
            TaskRefused: it has no such turn, or the agent can't be used.
            WorkerUnavailable: no worker responds; only a worker can read the other conversation.
            IdempotencyConflict: the key was used for another request.
            TenantLimited, TenantSpent: the tenant may start no task now.
        """
        tenant = await self._workflows.tenant_of_continuation(conversation_id)
        with acting_for(tenant):
            suffix = await self._workflows.id_suffix(None, source_id=conversation_id)
        hashed = request_hash(request, forked=conversation_id)
        own_key = None if key is None else await self._starter.idempotency_key(key, hashed, id_suffix=suffix)
        if own_key is not None and await self._starter.was_started(own_key):
            return CreatedConversation(await self._conversations.get(own_key.workflow_id), is_new=False)
        with acting_for(tenant):
            return await self._start(conversation_id, request, own_key, suffix)

    async def _start(
        self, conversation_id: str, request: ConversationForkRequest, own_key: IdempotencyKey | None, suffix: str
    ) -> CreatedConversation:
        handle = self._workflows.handle(conversation_id)
        async with self._workflows.calling(conversation_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
            execution = await self._workflows.describe(handle)
            source = await self._queries.query(handle, execution, CONVERSATION_QUERY, ConversationView)
            turn_range = TurnRange(after=request.from_turn - 1, limit=1)
            page = await self._queries.query(handle, execution, TURNS_QUERY, TurnPage, turn_range)
            fork, messages = await self._common(handle, execution, request.from_turn, source, page)
        agent, model = self._agent(request, source)
        new = ConversationInput(
            tenant=own_tenant(),
            agent=agent,
            model=model,
            title=source.title if request.title is None else request.title,
            user=source.user,
            tags=source.tags,
            metadata=source.metadata,
            on_busy=source.on_busy,
            idle_expiry=source.idle_expiry,
            fork=fork,
        )
        fork_id = new_conversation_id() + suffix if own_key is None else own_key.workflow_id
        if not messages:
            is_new = await self._starter.start(fork_id, new, own_key)
        else:
            async with self._copies.copied(fork_id, messages, has_key=own_key is not None) as copied:
                is_new = await self._starter.start(fork_id, new.model_copy(update={"copied": copied}), own_key)
        return CreatedConversation(await self._conversations.get(fork_id), is_new=is_new)

    async def _common(
        self,
        handle: TaskHandle,
        execution: WorkflowExecutionDescription,
        number: int,
        view: ConversationView,
        page: TurnPage,
    ) -> tuple[ConversationFork | None, Sequence[Message]]:
        """Return the turn that a fork continues, and all messages up to there; none for turn 0: it starts empty.

        Raises:
            TaskRefused: there is no such turn, or it runs, or belongs to another conversation.
            PayloadUnavailable: the messages can't be read.
        """
        if number == 0:
            return None, ()
        source = _source(handle.id, number, view, page)
        messages: Sequence[Message] = ()
        if source.end:
            page_range = TranscriptRange(end=source.end, version=source.version, max_bytes=sys.maxsize)
            messages = (await self._transcripts.page(handle, execution, page_range)).messages
        if transcript_digest(messages) != source.digest:
            raise PayloadUnavailable(
                f"The messages of conversation {handle.id!r} up to turn {number} are not those that it refers to. It "
                "may have changed meanwhile: try again."
            )
        return ConversationFork(conversation_id=handle.id, turn=number), messages

    def _agent(self, request: ConversationForkRequest, source: ConversationView) -> tuple[str, str | None]:
        """Return the agent and the model of a fork. The source's model is kept only with the source's agent."""
        agent = request.agent or source.agent
        model = request.model or (source.model if agent == source.agent else None)
        self._agents.named(agent, model, {})
        return agent, model


def _source(conversation_id: str, number: int, view: ConversationView, page: TurnPage) -> TranscriptSource:
    """Return the transcript up to the end of a turn.

    Raises:
        TaskRefused: there is no such turn, or it runs, or belongs to another conversation.
    """
    turn = next((turn for turn in page.turns if turn.number == number), None)
    is_common = view.forked_from is not None and number == view.forked_from.turn
    source = view.copied if is_common else None if turn is None else turn.source(conversation_id)
    if source is None:
        reason = _reason(number, view, turn)
        raise TaskRefused(f"The conversation can't be forked after turn {number}. {reason}", path=("from_turn",))
    return source


def _reason(number: int, view: ConversationView, turn: Turn | None) -> str:
    """Return why a conversation can't be forked after a turn."""
    origin = view.forked_from
    if origin is not None and number < origin.turn:
        return f"That turn is one of {origin.conversation_id!r}, which it goes on from: fork that one."
    reason = "It has no such turn" if turn is None else "The turn runs"
    return f"{reason}: its turns say which have ended; of a very long conversation, the newest 1,000 are kept."
