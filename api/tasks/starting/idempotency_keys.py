"""Find the one workflow that an idempotency key names, whether or not workflows have keys of their tenants."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.encryption.encrypted_payloads import REFERENCE_PATTERN, KeyedCodec, is_erased, keys_are_used
from api.tasks.errors import IdempotencyConflict
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.temporal_calls import RPC_TIMEOUT

__all__ = ["IdempotencyKey", "IdempotencyKeys"]

_RECORD_TYPE = "IdempotencyKey"
_RECORD_QUEUE = "opspawn-idempotency-keys"
"""No worker polls it: Temporal ends a record by its timeout, and keeps it for the namespace's retention."""
_RECORD_TIMEOUT = timedelta(seconds=1)
_MEMO_WORKFLOW_ID = "workflow_id"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What an idempotency key names, and the request that it came with."""

    workflow_id: str
    """Of the one task or conversation that requests with this key start."""
    request_hash: str


class IdempotencyKeys:
    """Decides the id of the workflow that requests with an idempotency key start.

    Without a key of its tenant, the workflow's id is a hash of the idempotency key: the base id. With one, the id has
    a suffix, which isn't the same for every request: keys are destroyed, and the setting is turned on or off. A record
    decides then, which is a workflow that never runs: it has the base id, and the workflow's id in its memo. Temporal
    starts only one workflow with the base id, so there is one workflow for a key, whoever asks at the same time.
    """

    def __init__(self, client: Client, workflows: TaskWorkflows) -> None:
        """``workflows`` are those that the keys start."""
        self._client = client
        self._workflows = workflows

    async def find(self, base_id: str, request_hash: str, id_suffix: str) -> IdempotencyKey:
        """Return the key whose base id this is; ``id_suffix`` is that of a workflow that no request has started.

        Raises:
            PayloadUnavailable: the record, or whether there are keys of tenants, can't be read.
        """
        codec: object = self._client.data_converter.payload_codec
        if not isinstance(codec, KeyedCodec):
            return IdempotencyKey(base_id, request_hash)
        async with self._workflows.calling():
            found = await self._recorded(base_id)
            if found is None and await keys_are_used(self._client):
                found = await self._listed(base_id)  # the record has ended, and may be gone before the workflow
            if found is None and id_suffix:
                found = await self._record(base_id, base_id + id_suffix)
        return IdempotencyKey(found or base_id, request_hash)

    async def check_not_started(self, key: IdempotencyKey) -> None:
        """Check that a key's workflow, which doesn't exist, may be started.

        Raises:
            TaskErased, ConversationErased: the key of its tenant or user was destroyed.
        """
        async with self._workflows.calling():
            if await is_erased(self._client, key.workflow_id):
                raise self._workflows.erased(key.workflow_id, by_key=True)

    def conflict(self) -> IdempotencyConflict:
        """Return the error where Temporal has a record that ``find`` didn't see."""
        return IdempotencyConflict(
            "Another request with this Idempotency-Key is starting its workflow now, with a key of its tenant. Repeat "
            "the request. If it fails again, give this API the OPSPAWN_ENCRYPTION_KEYS of the others."
        )

    async def _recorded(self, base_id: str) -> str | None:
        """Return the id of the workflow that the workflow with the base id names, or is."""
        try:
            execution = await self._client.get_workflow_handle(base_id).describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None
        if execution.workflow_type != _RECORD_TYPE:
            return base_id
        return str(await execution.memo_value(_MEMO_WORKFLOW_ID, type_hint=str))

    async def _listed(self, base_id: str) -> str | None:
        """Return the id of a workflow whose id begins with the base id and ends with the reference of a key."""
        is_keyed = re.compile(rf"{re.escape(base_id)}\.{REFERENCE_PATTERN}")
        types = (self._workflows.workflow_type, self._workflows.erasure_type)
        query = f"WorkflowId STARTS_WITH '{base_id}.' AND WorkflowType IN {types}"
        async for execution in self._client.list_workflows(query, rpc_timeout=RPC_TIMEOUT):
            if is_keyed.fullmatch(execution.id):  # else a turn or a sub-agent's task
                return execution.id
        return None

    async def _record(self, base_id: str, workflow_id: str) -> str | None:
        """Record the id of a key's workflow; return it, or the one that another request has recorded or started."""
        try:
            await self._client.start_workflow(
                _RECORD_TYPE,
                id=base_id,
                task_queue=_RECORD_QUEUE,
                execution_timeout=_RECORD_TIMEOUT,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                memo={_MEMO_WORKFLOW_ID: workflow_id},
                static_summary=f"Names {workflow_id}; ends by its timeout",
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return await self._recorded(base_id)
        return workflow_id
