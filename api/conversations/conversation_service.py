"""Create, show, list and change conversations over Temporal, for any protocol."""

from __future__ import annotations

from dataclasses import replace

from temporalio.client import Client, WorkflowExecutionDescription

from activities.payload_types import TranscriptRange
from activities.settings import Settings
from agentkit.catalog.catalog import Catalog
from agentkit.errors import SteeringInvalid
from agentkit.messages import user_message
from agentkit.specs import AgentSpec
from api.conversations.conversation_requests import (
    ConversationChange,
    ConversationListRequest,
    NewConversation,
    TurnListRequest,
)
from api.conversations.conversation_snapshot import (
    ChangedConversation,
    ConversationPage,
    ConversationSnapshot,
    ConversationUrls,
    CreatedConversation,
    TurnSlice,
    TurnSnapshot,
)
from api.conversations.conversation_starter import (
    ConversationStarter,
    message_id,
    new_conversation_id,
)
from api.conversations.conversation_visibility import conversation_query, listed_conversation, waiting_conversations
from api.conversations.conversation_workflows import ConversationWorkflows
from api.current_principal import authenticated_subject
from api.tasks.errors import (
    FieldIssue,
    MessageRefused,
    SteeringRefused,
    TaskNotFound,
    TaskRefused,
)
from api.tasks.listing.task_listing import PageCursor, TaskPages
from api.tasks.starting.agent_choice import AgentChoice
from api.tasks.starting.referenced_input import ReferencedInput, has_references
from api.tasks.starting.task_start import request_hash, task_title
from api.tasks.task_snapshot import TranscriptSlice
from api.tasks.task_transcripts import TaskTranscripts, transcript_slice
from api.tasks.task_updates import TaskUpdates
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.visibility.task_visibility import visible_status
from api.tasks.visibility.tenant_access import own_tenant
from api.tasks.workers.worker_queries import QUERY_CALLS_TIMEOUT_S, WorkerQueries
from workflows.conversations.conversation_types import (
    CHANGE_CONVERSATION,
    TURNS_QUERY,
    ConversationChanges,
    ConversationInput,
    ConversationMessage,
    ConversationView,
    Turn,
    TurnPage,
    TurnRange,
)
from workflows.task_types import TaskStatus

__all__ = ["ConversationService"]


class ConversationService:
    """Creates, reads and changes conversations.

    Every method may raise TemporalUnreachable, TemporalNotReady and, if it stores or reads payloads,
    PayloadUnavailable.
    """

    def __init__(self, client: Client, catalog: Catalog, settings: Settings) -> None:
        self._client = client
        self._agents = AgentChoice(catalog, settings)
        self._starter = ConversationStarter(client, settings)
        self._input = ReferencedInput(client, settings)
        self._notify = settings.input_webhook is not None
        self._workflows = ConversationWorkflows(client, settings)
        self._pages = TaskPages(client, self._workflows)
        self._turns = TaskWorkflows(client, settings)
        self._updates = TaskUpdates(client, settings, workflows=self._workflows)
        self._queries = WorkerQueries(client, settings)
        self._transcripts = TaskTranscripts(client, self._queries)
        self._urls = ConversationUrls.of(settings.temporal_ui_url, client.namespace)

    async def create(self, request: NewConversation, *, key: str | None = None) -> CreatedConversation:
        """Start a conversation. A repeated request with the same idempotency key returns the first one.

        Raises:
            TaskRefused: there is no such agent, or it can't be used.
            IdempotencyConflict: the key was used for another request.
            McpServerFailed, McpServerTimedOut: the MCP server of a prompt or resource can't be used now.
            WorkerUnavailable: no worker responds; only a worker can read prompts and resources.
        """
        agent = self._agents.named(request.agent, request.model, {})
        suffix = await self._workflows.id_suffix(request.user)
        hashed = request_hash(request)
        own_key = None if key is None else await self._starter.idempotency_key(key, hashed, id_suffix=suffix)
        has_reference = request.message is not None and has_references(request.message)
        if own_key is not None and has_reference and await self._starter.was_started(own_key):
            return CreatedConversation(await self.get(own_key.workflow_id), is_new=False)
        conversation_id = new_conversation_id() + suffix if own_key is None else own_key.workflow_id
        message = await self._first_message(conversation_id, request, agent, key)
        new = ConversationInput(
            tenant=own_tenant(),
            agent=request.agent,
            model=request.model,
            title=request.title or (message.title if message else ""),
            user=request.user,
            tags=request.unique_tags,
            metadata=request.metadata,
            on_busy=request.on_busy,
            idle_expiry=request.idle_expiry,
            message=message,
        )
        is_new = await self._starter.start(conversation_id, new, own_key)
        return CreatedConversation(await self.get(conversation_id), is_new=is_new)

    async def get(self, conversation_id: str) -> ConversationSnapshot:
        """Return a conversation as Temporal's visibility has it, which needs no worker.

        Raises:
            ConversationNotFound: there is no conversation with this id.
        """
        return await self.snapshot(await self.describe(conversation_id))

    async def describe(self, conversation_id: str) -> WorkflowExecutionDescription:
        """Return Temporal's description of the conversation's newest run.

        Raises:
            ConversationNotFound: there is no conversation with this id.
        """
        handle = self._workflows.handle(conversation_id)
        async with self._workflows.calling(conversation_id):
            return await self._workflows.describe(handle)

    async def snapshot(self, execution: WorkflowExecutionDescription) -> ConversationSnapshot:
        """Return the conversation of a description; its status is ``waiting`` if its running turn's is."""
        async with self._workflows.calling(execution.id):
            conversation = await listed_conversation(execution, self._urls, complete=True)
        if conversation.current_task_id is None:
            return conversation
        if await self._turn_status(conversation.current_task_id) == "waiting":
            return replace(conversation, status="waiting")
        return conversation

    async def list(self, request: ConversationListRequest) -> ConversationPage:
        """Return a page of conversations, newest first.

        Raises:
            CursorInvalid: the cursor isn't one of this list.
        """
        query = conversation_query(request)
        cursor = PageCursor.decode(request.cursor, query) if request.cursor is not None else None
        executions, total = await self._pages.read(query, cursor, request.limit + 1)
        page = executions[: request.limit]
        conversations = [await listed_conversation(execution, self._urls) for execution in page]
        running = [conversation.id for conversation in conversations if conversation.status == "running"]
        async with self._workflows.calling():
            waiting = await waiting_conversations(self._client, running)
        has_more = len(executions) > request.limit
        next_cursor = PageCursor.after(page[-1]).encode(query) if has_more else None
        return ConversationPage(
            tuple(replace(shown, status="waiting") if shown.id in waiting else shown for shown in conversations),
            next_cursor,
            total,
        )

    async def change(self, conversation_id: str, request: ConversationChange) -> ChangedConversation:
        """Change a conversation; the changes apply from its next message on.

        Raises:
            ConversationNotFound: there is no conversation with this id.
            TaskRefused: there is no such agent, or it can't be used.
            MessageRefused: the conversation has ended.
        """
        execution = await self._workflows.unended(conversation_id)
        async with self._workflows.calling(conversation_id):
            current = await listed_conversation(execution, self._urls, complete=True)
        if request.agent is not None or request.model is not None:
            model = request.model if "model" in request.model_fields_set else current.model
            self._agents.named(request.agent or current.agent, model, {})
        changes = ConversationChanges(
            title=request.title,
            agent=request.agent,
            model=(request.model or "") if "model" in request.model_fields_set else None,
            on_busy=request.on_busy,
        )
        try:
            verdict = await self._updates.send(execution, CHANGE_CONVERSATION, changes, ConversationView)
        except SteeringRefused as error:
            raise MessageRefused(str(error), SteeringInvalid) from error
        return ChangedConversation(await self.get(conversation_id), is_decided=verdict is not None)

    async def turns(self, conversation_id: str, request: TurnListRequest) -> TurnSlice:
        """Return a page of turns, by number; only the newest 1,000 are listed.

        Raises:
            ConversationNotFound: there is no conversation with this id.
            WorkerUnavailable: no worker responds; only a worker can read the turns.
        """
        handle = self._workflows.handle(conversation_id)
        turn_range = TurnRange(after=request.after, limit=request.limit)
        async with self._workflows.calling(conversation_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
            execution = await self._workflows.describe(handle)
            page = await self._queries.query(handle, execution, TURNS_QUERY, TurnPage, turn_range)
        turns = tuple([await self._turn(turn) for turn in page.turns])
        has_more = bool(turns) and turns[-1].number < page.total
        return TurnSlice(turns, str(turns[-1].number) if has_more else None)

    async def transcript(
        self, conversation_id: str, *, start: int, limit: int, version: int | None = None
    ) -> TranscriptSlice:
        """Return at most ``limit`` messages of the ended turns from position ``start`` on; fewer if they are large.

        They are those of the newest version unless ``version`` is given.

        Raises:
            ConversationNotFound: there is no conversation with this id.
            VersionNotFound: its transcript has no such version.
            WorkerUnavailable: no worker responds; only a worker can read a transcript.
            PayloadUnavailable: the worker can't read it, or this process can't read the worker's response.
        """
        handle = self._workflows.handle(conversation_id)
        async with self._workflows.calling(conversation_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
            execution = await self._workflows.describe(handle)
            page_range = TranscriptRange(start=start, end=start + limit, version=version)
            page = await self._transcripts.page(handle, execution, page_range)
        return transcript_slice(page)

    async def _first_message(
        self, conversation_id: str, request: NewConversation, agent: AgentSpec, key: str | None
    ) -> ConversationMessage | None:
        if request.message is None:
            return None
        try:
            message = user_message(await self._input.resolve(request.message))
        except TaskRefused as error:
            issues = [FieldIssue(("message", *issue.path[1:]), issue.text) for issue in error.issues]
            raise TaskRefused(str(error), path=("message",), issues=issues) from error
        return ConversationMessage(
            id=message_id(conversation_id, key),
            agent=agent,
            message=message,
            title=task_title(message),
            sent_by=authenticated_subject(),
            tags=request.unique_tags,
            metadata=request.metadata,
            notify=self._notify,
        )

    async def _turn(self, turn: Turn) -> TurnSnapshot:
        """Return a turn; that of a running one has its task's status."""
        status = turn.status
        if turn.ended_at is None:
            status = await self._turn_status(turn.task_id) or status
        fields = turn.model_dump(exclude={"message_id", "version", "end", "digest"})
        return TurnSnapshot(**{**fields, "status": status})

    async def _turn_status(self, task_id: str) -> TaskStatus | None:
        """Return the status of a turn's task; None if it hasn't started or was deleted."""
        try:
            async with self._turns.calling(task_id):
                return visible_status(await self._turns.describe(self._turns.handle(task_id)))
        except TaskNotFound:
            return None
