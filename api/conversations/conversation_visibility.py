"""The search attributes and memo of conversations: set them for a new one, and read them for lists.

Reading needs no worker: the workflow updates them whenever something changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from api.conversations.conversation_requests import ConversationListRequest, ListedConversationStatus
from api.conversations.conversation_snapshot import (
    ConversationOrigin,
    ConversationSnapshot,
    ConversationUrls,
    ShownConversationStatus,
)
from api.tasks.listing.task_listing import created_terms, visibility_query
from api.tasks.payload_decoding import payload_unavailable
from api.tasks.requests.task_requests import TaskFilter
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.visibility.task_visibility import memo_metadata, memo_usage, memo_value
from api.tasks.visibility.tenant_access import tenant_of, tenant_terms
from api.tasks.visibility.visibility_text import quoted
from workflows.conversations.conversation_types import (
    CONVERSATION_TYPE,
    MEMO_CONVERSATION,
    ConversationInput,
    ConversationSummary,
    turn_task_id,
)
from workflows.search_attributes import (
    AGENT,
    CONVERSATION,
    MEMO_BODY_HASH,
    MEMO_METADATA,
    MEMO_TITLE,
    MEMO_USAGE,
    MEMO_USER,
    STATUS,
    TAGS,
    TENANT,
)

__all__ = [
    "conversation_memo",
    "conversation_query",
    "conversation_search_attributes",
    "listed_conversation",
    "waiting_conversations",
]

_MEMO_KEYS = (MEMO_TITLE, MEMO_USAGE, MEMO_METADATA, MEMO_USER, MEMO_CONVERSATION)
_STATUS_TERMS: dict[ListedConversationStatus, str] = {
    "idle": f"(ExecutionStatus = 'Running' AND {STATUS.name} = 'idle')",
    "running": f"(ExecutionStatus = 'Running' AND {STATUS.name} = 'running')",
    "expired": "ExecutionStatus != 'Running'",
}
_IDS_OF_A_QUERY = 50
"""The most ids in one query: Temporal refuses long queries."""


def conversation_query(request: ConversationListRequest) -> str:
    """Return the filters as a visibility query, which excludes earlier runs and deleted conversations."""
    terms = [
        f"WorkflowType = '{CONVERSATION_TYPE}'",
        "ExecutionStatus != 'ContinuedAsNew'",
        f"{STATUS.name} != 'deleted'",
        *tenant_terms(),
    ]
    if request.status:
        terms.append(f"({' OR '.join(_STATUS_TERMS[status] for status in dict.fromkeys(request.status))})")
    values = {AGENT.name: request.agent, TAGS.name: request.tag}
    terms.extend(f"{name} = {quoted(value)}" for name, value in values.items() if value is not None)
    return " AND ".join([*terms, *created_terms(request.created_after, request.created_before)])


def conversation_search_attributes(new: ConversationInput) -> TypedSearchAttributes:
    """Return the search attributes of a new conversation, by which lists filter."""
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(STATUS, "idle" if new.message is None else "running"),
        SearchAttributePair(AGENT, new.agent),
        SearchAttributePair(TENANT, new.tenant),
    ]
    if new.tags:
        pairs.append(SearchAttributePair(TAGS, list(new.tags)))
    return TypedSearchAttributes(pairs)


def conversation_memo(conversation_id: str, new: ConversationInput, request_hash: str | None) -> dict[str, object]:
    """Return the memo of a new conversation; ``request_hash`` is that of a request with an idempotency key."""
    turns = 0 if new.fork is None else new.fork.turn
    task_id = None if new.message is None else turn_task_id(conversation_id, new.message.id)
    summary = ConversationSummary(
        model=new.model,
        on_busy=new.on_busy,
        turns=turns + (new.message is not None),
        current_task_id=task_id,
        forked_from=new.fork,
    )
    memo: dict[str, object] = {MEMO_TITLE: new.title, MEMO_CONVERSATION: summary}
    if new.metadata:
        memo[MEMO_METADATA] = new.metadata
    if new.user is not None:
        memo[MEMO_USER] = new.user
    if request_hash is not None:
        memo[MEMO_BODY_HASH] = request_hash
    return memo


async def listed_conversation(
    execution: WorkflowExecution, urls: ConversationUrls, *, is_waiting: bool = False, complete: bool = False
) -> ConversationSnapshot:
    """Return a conversation from Temporal's visibility.

    Parts of its memo that can't be read are left out, so that they don't fail a whole list, unless ``complete``.

    Args:
        execution: the newest run.
        urls: prefixes of the links.
        is_waiting: whether the running turn waits for a person.
        complete: whether an unreadable memo is an error.

    Raises:
        PayloadUnavailable: ``complete``, and a part of the memo can't be read.
    """
    memo = {key: await memo_value(execution, key, required=complete) for key in _MEMO_KEYS}
    attributes = execution.typed_search_attributes
    summary = _summary(memo[MEMO_CONVERSATION], required=complete)
    has_ended = execution.status is not WorkflowExecutionStatus.RUNNING
    user = memo[MEMO_USER]
    fork = summary.forked_from
    return ConversationSnapshot(
        id=execution.id,
        agent=attributes.get(AGENT) or "",
        model=summary.model,
        status=_status(execution, summary, is_waiting=is_waiting),
        title=str(memo[MEMO_TITLE] or ""),
        user=None if user is None else str(user),
        tenant=tenant_of(execution),
        tags=tuple(attributes.get(TAGS) or ()),
        metadata=memo_metadata(memo[MEMO_METADATA]),
        on_busy=summary.on_busy,
        turns=summary.turns,
        current_task_id=None if has_ended else summary.current_task_id,
        queued=0 if has_ended else summary.queued,
        usage=memo_usage(memo[MEMO_USAGE]),
        created_at=summary.created_at or execution.start_time,
        updated_at=summary.updated_at or execution.start_time,
        expires_at=None if has_ended else summary.expires_at,
        forked_from=None if fork is None else ConversationOrigin(conversation_id=fork.conversation_id, turn=fork.turn),
        links=urls.links(execution.id),
    )


async def waiting_conversations(client: Client, conversation_ids: Iterable[str]) -> frozenset[str]:
    """Return those of the conversations whose running turn waits for a person, by Temporal's visibility."""
    waiting: set[str] = set()
    ids = [*conversation_ids]
    for first in range(0, len(ids), _IDS_OF_A_QUERY):
        named = ", ".join(map(quoted, ids[first : first + _IDS_OF_A_QUERY]))
        query = f"{visibility_query(TaskFilter(status=('waiting',)))} AND {CONVERSATION.name} IN ({named})"
        async for turn in client.list_workflows(query, rpc_timeout=RPC_TIMEOUT):
            waiting.add(turn.typed_search_attributes.get(CONVERSATION) or "")
    return frozenset(waiting)


def _status(execution: WorkflowExecution, summary: ConversationSummary, *, is_waiting: bool) -> ShownConversationStatus:
    if execution.typed_search_attributes.get(STATUS) == "deleted":
        return "deleted"
    if execution.status is not WorkflowExecutionStatus.RUNNING:
        return "expired"
    if summary.current_task_id is None:
        return "idle"
    return "waiting" if is_waiting else "running"


def _summary(value: object, *, required: bool) -> ConversationSummary:
    try:
        return ConversationSummary.model_validate(value)
    except ValidationError as error:
        if required:
            raise payload_unavailable(error) from error
        return ConversationSummary()
