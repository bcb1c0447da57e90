"""Read and write long-term memory through the workers that serve it, by standalone activities."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.client import ActivityFailureError, Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.erasure_payloads import ConversationReference, MemoryCount, TaskReference
from activities.memory.memory_queries import (
    ADD_MEMORIES_ACTIVITY,
    CHANGE_MEMORY_ACTIVITY,
    DELETE_MEMORY_ACTIVITY,
    ERASE_MEMORIES_ACTIVITY,
    ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY,
    ERASE_MEMORIES_OF_TASK_ACTIVITY,
    EXPORT_MEMORIES_ACTIVITY,
    GET_MEMORY_ACTIVITY,
    LIST_MEMORIES_ACTIVITY,
    REINDEX_MEMORIES_ACTIVITY,
    SEARCH_MEMORIES_ACTIVITY,
    ExportedMemories,
    ExportPosition,
    FoundMemories,
    MemoryEdit,
    MemoryExport,
    MemoryListing,
    MemoryReference,
    MemorySearch,
    NewMemories,
    RememberedMemories,
    ScopedMemory,
)
from activities.retry_policies import MEMORY_HEARTBEAT_TIMEOUT
from activities.settings import Settings
from activities.temporal.client import temporal_address
from activities.temporal.encryption.encrypted_payloads import id_suffix
from activities.temporal.payload_storage import storage_failure_in
from activities.temporal.task_queue_pollers import recent_pollers
from agentkit.errors import MemoryMisconfigured, MemoryNotFound, MemoryRequestInvalid
from agentkit.interfaces import (
    Memory,
    MemoryChanges,
    MemoryPage,
    MemoryScope,
    RememberedMemory,
    memory_task_queue,
)
from api.tasks.errors import (
    MemoryNotServed,
    MemoryNotUsable,
    MemoryRefused,
    PayloadUnavailable,
    StoredMemoryNotFound,
    TemporalNotReady,
)
from api.tasks.payload_decoding import payload_unavailable
from api.tasks.temporal_calls import CALLS_TIMEOUT_S, calling_temporal
from api.tasks.visibility.tenant_access import own_tenant, require_tenant
from api.tasks.workers.readiness import start_worker

__all__ = ["WorkerMemory"]

_STORING_ACTIVITIES = (ADD_MEMORIES_ACTIVITY, CHANGE_MEMORY_ACTIVITY)
_TIMEOUT = timedelta(seconds=45)
"""For all attempts of a request, including the wait for a worker that takes over memory from another."""
_ATTEMPT_TIMEOUT = timedelta(seconds=30)
_START_TIMEOUT = timedelta(seconds=10)
_LONG_TIMEOUT = timedelta(hours=1)
"""For reindexing all memories, and for erasing a scope."""
_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=0.5),
    maximum_interval=timedelta(seconds=2),
    maximum_attempts=5,
    non_retryable_error_types=[MemoryMisconfigured.__name__],
)
_POLLER_TIMEOUT_S = 5.0
"""How long to wait for a worker that serves memory if others run: one of them may be taking it over."""
_POLLER_INTERVAL_S = 0.25

T = TypeVar("T", bound=BaseModel)


class WorkerMemory:
    """Long-term memory of one tenant, whatever tenant a scope names: the current principal's, but for ``of_tenant``.

    Every method may raise MemoryNotServed, MemoryNotUsable, TemporalUnreachable, TemporalNotReady and
    PayloadUnavailable.
    """

    def __init__(self, client: Client, settings: Settings, tenant: str | None = None) -> None:
        """Create it; ``tenant`` is not checked. None: the current principal's at each call."""
        self._client = client
        self._settings = settings
        self._tenant = tenant
        self._task_queue = memory_task_queue(settings.task_queue)
        self._address = temporal_address(settings)

    def of_tenant(self, tenant: str | None) -> WorkerMemory:
        """Return the memory of a tenant; None: this one.

        Raises:
            TenantNotFound: it isn't the current principal's, who is no administrator.
        """
        if tenant is None:
            return self
        require_tenant(tenant)
        return WorkerMemory(self._client, self._settings, tenant)

    async def add(self, memories: Sequence[ScopedMemory]) -> Sequence[RememberedMemory]:
        """Remember texts, in order; if one fails, those before it stay stored.

        Raises:
            MemoryRefused: a text can't be remembered.
        """
        own = tuple(each.model_copy(update={"scope": self._own(each.scope)}) for each in memories)
        return (await self._ask(ADD_MEMORIES_ACTIVITY, RememberedMemories, NewMemories(memories=own))).memories

    async def get(self, reference: MemoryReference) -> Memory:
        """Return one memory.

        Raises:
            StoredMemoryNotFound: there is none.
        """
        return await self._ask(GET_MEMORY_ACTIVITY, Memory, self._own_reference(reference))

    async def list(self, scope: MemoryScope, *, limit: int, cursor: str | None) -> MemoryPage:
        """Return a page of memories, newest first.

        Raises:
            MemoryRefused: the cursor isn't one of this scope's list.
        """
        listing = MemoryListing(scope=self._own(scope), limit=limit, cursor=cursor)
        return await self._ask(LIST_MEMORIES_ACTIVITY, MemoryPage, listing)

    async def search(self, scope: MemoryScope, query: str, *, limit: int) -> Sequence[Memory]:
        """Return the memories that fit, best first."""
        search = MemorySearch(scope=self._own(scope), query=query, limit=limit)
        return (await self._ask(SEARCH_MEMORIES_ACTIVITY, FoundMemories, search)).memories

    async def change(self, reference: MemoryReference, changes: MemoryChanges) -> Memory:
        """Change a memory and return it.

        Raises:
            StoredMemoryNotFound: there is none.
        """
        return await self._ask(
            CHANGE_MEMORY_ACTIVITY, Memory, MemoryEdit(reference=self._own_reference(reference), changes=changes)
        )

    async def delete(self, reference: MemoryReference) -> None:
        """Erase one memory.

        Raises:
            StoredMemoryNotFound: there is none.
        """
        await self._ask(DELETE_MEMORY_ACTIVITY, None, self._own_reference(reference))

    async def erase(self, scope: MemoryScope) -> int:
        """Erase all memories of a scope; return how many."""
        return (await self._ask(ERASE_MEMORIES_ACTIVITY, MemoryCount, self._own(scope), _LONG_TIMEOUT)).count

    async def erase_of_task(self, tenant: str, task_id: str) -> int:
        """Erase all memories that come from a task, which the current principal may erase; return how many."""
        task = TaskReference(tenant=tenant, task_id=task_id)
        return (await self._ask(ERASE_MEMORIES_OF_TASK_ACTIVITY, MemoryCount, task, _LONG_TIMEOUT)).count

    async def erase_of_conversation(self, tenant: str, conversation_id: str) -> int:
        """Erase all memories of turns of a conversation, which the current principal may erase; return how many."""
        reference = ConversationReference(tenant=tenant, conversation_id=conversation_id)
        erased = await self._ask(ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY, MemoryCount, reference, _LONG_TIMEOUT)
        return erased.count

    async def export(self, scope: MemoryScope, after: ExportPosition | None = None) -> ExportedMemories:
        """Return the part of an export that follows a position, oldest memories first."""
        export = MemoryExport(scope=self._own(scope), after=after)
        return await self._ask(EXPORT_MEMORIES_ACTIVITY, ExportedMemories, export)

    async def reindex(self) -> int:
        """Compute the vectors of all memories again; return how many."""
        return (await self._ask(REINDEX_MEMORIES_ACTIVITY, MemoryCount, None, _LONG_TIMEOUT)).count

    async def export_parts(self, scope: MemoryScope, first: ExportedMemories) -> AsyncIterator[Sequence[Memory]]:
        """Yield the memories of all parts of an export; ``first`` is the result of ``export(scope)``."""
        part = first
        yield part.memories
        while part.end is not None:
            part = await self.export(scope, part.end)
            yield part.memories

    async def _ask(
        self, activity: str, result_type: type[T] | None, argument: BaseModel | None, within: timedelta = _TIMEOUT
    ) -> T:
        async with calling_temporal(self._address, timeout_s=within.total_seconds() + CALLS_TIMEOUT_S):
            await self._require_worker()
            creates = activity in _STORING_ACTIVITIES  # a request that stores nothing leaves no key for any user
            suffix = await id_suffix(self._client, self._owner, _user_of(argument), create=creates)
            try:
                result: T = await self._client.execute_activity(
                    activity,
                    args=[] if argument is None else [argument],
                    id=f"opspawn-memory-{uuid.uuid4().hex}{suffix}",
                    task_queue=self._task_queue,
                    result_type=result_type,
                    schedule_to_start_timeout=_START_TIMEOUT,
                    start_to_close_timeout=within if within > _TIMEOUT else _ATTEMPT_TIMEOUT,
                    schedule_to_close_timeout=within,
                    heartbeat_timeout=MEMORY_HEARTBEAT_TIMEOUT,
                    retry_policy=_RETRY,
                )
            except ActivityFailureError as error:
                self._raise(error.cause)
            except ValidationError as error:
                raise payload_unavailable(error) from error
            except RPCError as error:
                if error.status is not RPCStatusCode.UNIMPLEMENTED:
                    raise
                text = f"Temporal at {self._address} is too old to ask a worker about memories."
                raise TemporalNotReady(text) from error
        return result

    async def _require_worker(self) -> None:
        """Check that a worker serves memory; wait for one if only others run.

        Raises:
            MemoryNotServed: no worker runs, or none serves memory in time.
        """
        deadline = asyncio.get_running_loop().time() + _POLLER_TIMEOUT_S
        while not await recent_pollers(self._client, self._task_queue, of_activities=True):
            if not await recent_pollers(self._client, self._settings.task_queue):
                raise self._not_served("no worker runs")
            if asyncio.get_running_loop().time() > deadline:
                raise self._not_served("workers run, but none of them serves memory")
            await asyncio.sleep(_POLLER_INTERVAL_S)

    def _raise(self, cause: BaseException) -> NoReturn:
        """Raise the service error for the cause of a failed activity."""
        if not isinstance(cause, ApplicationError):
            raise self._not_served(str(cause) or type(cause).__name__)
        if cause.type == MemoryNotFound.__name__:
            raise StoredMemoryNotFound(cause.message)
        if cause.type == MemoryRequestInvalid.__name__:
            raise MemoryRefused(cause.message)
        if cause.type == MemoryMisconfigured.__name__:
            raise MemoryNotUsable(cause.message)
        if (failure := storage_failure_in(cause.message)) is not None:
            raise PayloadUnavailable(failure)
        raise self._not_served(cause.message)

    def _not_served(self, reason: str) -> MemoryNotServed:
        text = f"Long-term memory can't be reached: {reason.rstrip('.')}."
        return MemoryNotServed(
            f"{text} Start a worker (`{start_worker(self._settings)}`) whose AGENTKIT_LTM_PROVIDER is not 'off'; "
            "`opspawn doctor` says what is missing."
        )

    @property
    def _owner(self) -> str:
        return self._tenant or own_tenant()

    def _own(self, scope: MemoryScope) -> MemoryScope:
        """Return the scope in this memory's tenant."""
        return scope.model_copy(update={"tenant": self._owner})

    def _own_reference(self, reference: MemoryReference) -> MemoryReference:
        scope = None if reference.scope is None else self._own(reference.scope)
        return reference.model_copy(update={"scope": scope, "tenant": self._owner})


def _user_of(argument: BaseModel | None) -> str | None:
    """Return the user whose memories a request is about; None: it isn't about those of one user."""
    match argument:
        case MemoryScope(kind="user"):
            return argument.owner
        case MemoryReference() | MemoryListing() | MemorySearch() | MemoryExport():
            return _user_of(argument.scope)
        case MemoryEdit():
            return _user_of(argument.reference)
        case NewMemories():
            users = {_user_of(memory.scope) for memory in argument.memories}
            return users.pop() if len(users) == 1 else None
    return None
