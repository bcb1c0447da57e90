"""Copy the messages that a fork has in common with its source, before the fork starts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.conversations.conversation_payloads import CopiedTranscript
from activities.erasure_payloads import ERASURE_TYPES
from activities.settings import Settings
from activities.storage.content_copies import ContentCopies
from activities.storage.message_storage import MessageStorage
from activities.temporal.payload_erasure import PayloadErasure
from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.messages import Message
from agentkit.transcript import EMPTY_DIGEST, next_digest
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.tenants.tenant_limits import TenantLimits

__all__ = ["ForkCopies", "transcript_digest"]

logger = logging.getLogger("opspawn.payloads")

_COPY_TIMEOUT_S = 30.0


class ForkCopies:
    """Copies messages for forks, which then need their sources no more: these may be erased at any time."""

    def __init__(self, client: Client, settings: Settings, workflows: TaskWorkflows) -> None:
        """``workflows`` says whether tasks or conversations are forked."""
        self._client = client
        self._workflows = workflows
        self._limits = TenantLimits(client, settings)
        self._contents = ContentCopies(client)
        self._storage = MessageStorage(client)
        self._erasure = PayloadErasure(client, settings.data_dir / "payloads")

    @asynccontextmanager
    async def copied(
        self, fork_id: str, messages: Sequence[Message], *, has_key: bool
    ) -> AsyncIterator[CopiedTranscript]:
        """Store copies of messages for a fork that is to be started in this context; delete them if it wasn't.

        Those of a request with an idempotency key (``has_key``) stay, as another request with the same key may just be
        about to start the fork with them.

        Raises:
            TenantLimited, TenantSpent: the tenant may start nothing now; nothing is copied.
            PayloadUnavailable: a message, or a content that one refers to, can't be read or stored.
        """
        async with self._workflows.calling():
            await self._limits.check()
        try:
            async with self._workflows.calling(timeout_s=_COPY_TIMEOUT_S):
                copies = await self._contents.copy(fork_id, messages, complete=True)
                pages = tuple(await self._storage.write(fork_id, 0, copies))
            yield CopiedTranscript(pages=pages, digest=transcript_digest(copies))
        except BaseException:
            if not await self._may_be_used(fork_id, has_key=has_key):
                await self._delete(fork_id)
            raise

    async def _may_be_used(self, fork_id: str, *, has_key: bool) -> bool:
        """Return whether a workflow has the copies, or may have them soon."""
        try:
            fork = await self._client.get_workflow_handle(fork_id).describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            return has_key or error.status is not RPCStatusCode.NOT_FOUND
        except RuntimeError:  # Temporal can't be reached
            return True
        return fork.workflow_type not in ERASURE_TYPES

    async def _delete(self, fork_id: str) -> None:
        try:
            await self._erasure.erase(fork_id)
        except PayloadStorageFailed as error:
            logger.warning("The copies for %s, which was not started, can't be deleted: %s", fork_id, error)


def transcript_digest(messages: Sequence[Message]) -> str:
    """Return the digest of a transcript from its first message on."""
    digest = EMPTY_DIGEST
    for message in messages:
        digest = next_digest(digest, message.canonical_json())
    return digest
