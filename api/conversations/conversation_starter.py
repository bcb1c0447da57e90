"""Start the workflows of conversations; an idempotency key starts one."""

from __future__ import annotations

import hashlib
import secrets
import time

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.settings import Settings
from api.conversations.conversation_visibility import conversation_memo, conversation_search_attributes
from api.conversations.conversation_workflows import ConversationWorkflows
from api.tasks.errors import ConversationErased, ConversationNotFound, IdempotencyConflict
from api.tasks.starting.idempotency_keys import IdempotencyKey, IdempotencyKeys
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.tenants.tenant_limits import TenantLimits
from api.tasks.visibility.tenant_access import own_tenant
from workflows.conversations.conversation_types import CONVERSATION_TYPE, ConversationInput
from workflows.search_attributes import MEMO_BODY_HASH, STATUS

__all__ = ["ConversationStarter", "message_id", "new_conversation_id"]


def new_conversation_id() -> str:
    """Return a unique id; ids sort by the millisecond of their creation."""
    return f"conversation-{_sorted_id(10)}"


def message_id(conversation_id: str, key: str | None) -> str:
    """Return the id of the message that requests with this idempotency key send; a unique id if ``key`` is None."""
    return _sorted_id(6) if key is None else _digest(conversation_id, key)


class ConversationStarter:
    """Starts conversations."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._task_queue = settings.task_queue
        self._limits = TenantLimits(client, settings)
        self._workflows = ConversationWorkflows(client, settings, finds_deleted=True)
        self._keys = IdempotencyKeys(client, self._workflows)

    async def idempotency_key(self, text: str, request_hash: str, *, id_suffix: str) -> IdempotencyKey:
        """Return the key of a request of the principal's tenant; ``id_suffix`` is that of a new conversation."""
        return await self._keys.find(f"conversation-{_digest(own_tenant(), text)}", request_hash, id_suffix)

    async def start(self, conversation_id: str, new: ConversationInput, key: IdempotencyKey | None) -> bool:
        """Start a conversation; return False where an earlier request with the same key started it.

        Raises:
            IdempotencyConflict: the key was used for another request.
            TenantLimited: the tenant has as many running tasks as it may have.
            TenantSpent: it has spent what it may spend in a day.
        """
        if key is not None and await self.was_started(key):  # before a payload is stored under an erased one's id
            return False
        try:
            async with self._workflows.calling():
                await self._limits.check()
                await self._client.start_workflow(
                    CONVERSATION_TYPE,
                    new,
                    id=conversation_id,
                    task_queue=self._task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    memo=conversation_memo(conversation_id, new, None if key is None else key.request_hash),
                    search_attributes=conversation_search_attributes(new),
                    static_summary=f"Conversation with {new.agent}" + (f": {new.title}" if new.title else ""),
                    priority=self._limits.priority(),
                    rpc_timeout=RPC_TIMEOUT,
                )
        except WorkflowAlreadyStartedError:
            if key is None:
                raise
            if not await self.was_started(key):
                raise self._keys.conflict() from None
            return False
        return True

    async def was_started(self, key: IdempotencyKey) -> bool:
        """Return whether an earlier request with this key has started its conversation.

        Raises:
            IdempotencyConflict: it was another request.
            ConversationErased: the conversation was erased, or is being deleted.
        """
        conversation_id = key.workflow_id
        try:
            async with self._workflows.calling(conversation_id):
                execution = await self._workflows.describe(self._workflows.handle(conversation_id))
                same = await execution.memo_value(MEMO_BODY_HASH, default=None) == key.request_hash
        except ConversationNotFound:
            await self._keys.check_not_started(key)
            return False
        except ConversationErased:
            raise ConversationErased(conversation_id, by_key=True) from None
        if execution.typed_search_attributes.get(STATUS) == "deleted":
            raise ConversationErased(conversation_id, by_key=True)
        if not same:
            raise IdempotencyConflict(
                f"This Idempotency-Key started conversation {conversation_id!r} with another body. "
                "Take a new key for a new conversation."
            )
        return True


def _sorted_id(random_bytes: int) -> str:
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(random_bytes)}"


def _digest(owner: str, key: str) -> str:
    return hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()[:32]
