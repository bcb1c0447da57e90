"""Read and write long-term memory for callers without a task: standalone activities of the workers that serve it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from pydantic import Field
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.erasure_payloads import ConversationReference, MemoryCount, TaskReference
from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from agentkit.errors import LongTermMemoryError, MemoryNotFound
from agentkit.interfaces import (
    DEFAULT_TENANT,
    LongTermMemory,
    Memory,
    MemoryChanges,
    MemoryPage,
    MemoryScope,
    NewMemory,
    RememberedMemory,
)
from agentkit.records import Record

__all__ = [
    "ADD_MEMORIES_ACTIVITY",
    "CHANGE_MEMORY_ACTIVITY",
    "DELETE_MEMORY_ACTIVITY",
    "ERASE_MEMORIES_ACTIVITY",
    "ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY",
    "ERASE_MEMORIES_OF_TASK_ACTIVITY",
    "EXPORT_MEMORIES_ACTIVITY",
    "GET_MEMORY_ACTIVITY",
    "LIST_MEMORIES_ACTIVITY",
    "REINDEX_MEMORIES_ACTIVITY",
    "SEARCH_MEMORIES_ACTIVITY",
    "ExportPosition",
    "ExportedMemories",
    "FoundMemories",
    "MemoryEdit",
    "MemoryExport",
    "MemoryListing",
    "MemoryQueryActivities",
    "MemoryReference",
    "MemorySearch",
    "NewMemories",
    "RememberedMemories",
    "ScopedMemory",
]

ADD_MEMORIES_ACTIVITY = "add_memories"
GET_MEMORY_ACTIVITY = "get_memory"
LIST_MEMORIES_ACTIVITY = "list_memories"
SEARCH_MEMORIES_ACTIVITY = "search_memories"
CHANGE_MEMORY_ACTIVITY = "change_memory"
DELETE_MEMORY_ACTIVITY = "delete_memory"
ERASE_MEMORIES_ACTIVITY = "erase_memories"
ERASE_MEMORIES_OF_TASK_ACTIVITY = "erase_memories_of_task"
ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY = "erase_memories_of_conversation"
EXPORT_MEMORIES_ACTIVITY = "export_memories"
REINDEX_MEMORIES_ACTIVITY = "reindex_memories"

_MAX_EXPORT_BYTES = 500_000
"""The most bytes of JSON in one part of an export; a part has at least one memory."""


class ScopedMemory(Record):
    """A text to remember, and its scope."""

    scope: MemoryScope
    memory: NewMemory
    supersedes_new: int | None = Field(default=None, exclude_if=lambda position: position is None)
    """Position in the same request, before this one, of a memory that this one supersedes."""


class NewMemories(Record):
    """Texts to remember, in this order."""

    memories: tuple[ScopedMemory, ...]


class RememberedMemories(Record):
    """The result for each of ``NewMemories``, in order."""

    memories: tuple[RememberedMemory, ...]


class MemoryReference(Record):
    """A memory by its id."""

    memory_id: str
    scope: MemoryScope | None = None
    """None: any scope of ``tenant``."""
    tenant: str = DEFAULT_TENANT


class MemoryEdit(Record):
    """Changes of one memory."""

    reference: MemoryReference
    changes: MemoryChanges


class MemoryListing(Record):
    """The argument of ``list_memories``."""

    scope: MemoryScope
    limit: int
    cursor: str | None = None


class MemorySearch(Record):
    """The argument of ``search_memories``."""

    scope: MemoryScope
    query: str
    limit: int


class FoundMemories(Record):
    """The memories that fit, best first."""

    memories: tuple[Memory, ...]


class ExportPosition(Record):
    """The last memory of a part of an export."""

    created_at: datetime
    memory_id: str


class MemoryExport(Record):
    """The argument of ``export_memories``."""

    scope: MemoryScope
    after: ExportPosition | None = None
    """Start after this memory; None: start with the oldest."""


class ExportedMemories(Record):
    """Part of an export, oldest first."""

    memories: tuple[Memory, ...]
    end: ExportPosition | None = None
    """The position after which the next part starts; None: this is the last part."""


class MemoryQueryActivities:
    """The activities with which callers without a task use long-term memory.

    A ``LongTermMemoryError`` fails the activity; the failure's type is the name of the error's class.
    """

    def __init__(self, memory: LongTermMemory) -> None:
        self._memory = memory

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """The activities that a worker registers."""
        return [
            self.add_memories,
            self.get_memory,
            self.list_memories,
            self.search_memories,
            self.change_memory,
            self.delete_memory,
            self.erase_memories,
            self.erase_memories_of_task,
            self.erase_memories_of_conversation,
            self.export_memories,
            self.reindex_memories,
        ]

    @activity.defn(name=ADD_MEMORIES_ACTIVITY)
    async def add_memories(self, request: NewMemories) -> RememberedMemories:
        """Remember texts one after another; if one fails, those before it stay stored."""
        results: list[RememberedMemory] = []
        async with _memory_call():
            for item in request.memories:
                memory = item.memory
                if item.supersedes_new is not None:
                    superseded = results[item.supersedes_new].memory.id
                    memory = memory.model_copy(update={"supersedes": superseded})
                results.append(await self._memory.remember(item.scope, memory))
        return RememberedMemories(memories=tuple(results))

    @activity.defn(name=GET_MEMORY_ACTIVITY)
    async def get_memory(self, reference: MemoryReference) -> Memory:
        """Return one memory."""
        async with _memory_call():
            return await self._get(reference)

    @activity.defn(name=LIST_MEMORIES_ACTIVITY)
    async def list_memories(self, listing: MemoryListing) -> MemoryPage:
        """Return a page of a scope's memories, newest first."""
        async with _memory_call():
            return await self._memory.list(listing.scope, limit=listing.limit, cursor=listing.cursor)

    @activity.defn(name=SEARCH_MEMORIES_ACTIVITY)
    async def search_memories(self, search: MemorySearch) -> FoundMemories:
        """Return the memories that fit a query, best first."""
        async with _memory_call():
            found = await self._memory.recall(search.scope, search.query, limit=search.limit)
        return FoundMemories(memories=tuple(found))

    @activity.defn(name=CHANGE_MEMORY_ACTIVITY)
    async def change_memory(self, edit: MemoryEdit) -> Memory:
        """Change a memory, and return it."""
        async with _memory_call():
            scope = await self._scope(edit.reference)
            return await self._memory.update(scope, edit.reference.memory_id, edit.changes)

    @activity.defn(name=DELETE_MEMORY_ACTIVITY)
    async def delete_memory(self, reference: MemoryReference) -> None:
        """Erase one memory."""
        async with _memory_call():
            try:
                await self._memory.forget(await self._scope(reference), reference.memory_id)
            except MemoryNotFound:
                if activity.info().attempt == 1:  # an earlier attempt may have erased it
                    raise

    @activity.defn(name=ERASE_MEMORIES_ACTIVITY)
    async def erase_memories(self, scope: MemoryScope) -> MemoryCount:
        """Erase all memories of a scope."""
        async with _memory_call():
            return MemoryCount(count=await self._memory.erase(scope), kind="erased")

    @activity.defn(name=ERASE_MEMORIES_OF_TASK_ACTIVITY)
    async def erase_memories_of_task(self, task: TaskReference) -> MemoryCount:
        """Erase all memories that come from a task; every failure is retryable."""
        async with _memory_call(retryable=True):
            return MemoryCount(count=await self._memory.erase_of_task(task.tenant, task.task_id), kind="erased")

    @activity.defn(name=ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY)
    async def erase_memories_of_conversation(self, conversation: ConversationReference) -> MemoryCount:
        """Erase all memories that come from turns of a conversation; every failure is retryable."""
        async with _memory_call(retryable=True):
            count = await self._memory.erase_of_conversation(conversation.tenant, conversation.conversation_id)
        return MemoryCount(count=count, kind="erased")

    @activity.defn(name=EXPORT_MEMORIES_ACTIVITY)
    async def export_memories(self, export: MemoryExport) -> ExportedMemories:
        """Return the memories of a scope after a position, oldest first, as many as fit one part."""
        part: list[Memory] = []
        size = 0
        async with _memory_call():
            async for memory in self._memory.export(export.scope):
                if not _is_after(memory, export.after):
                    continue
                size += len(memory.model_dump_json())
                if part and size > _MAX_EXPORT_BYTES:
                    end = ExportPosition(created_at=part[-1].created_at, memory_id=part[-1].id)
                    return ExportedMemories(memories=tuple(part), end=end)
                part.append(memory)
        return ExportedMemories(memories=tuple(part))

    @activity.defn(name=REINDEX_MEMORIES_ACTIVITY)
    async def reindex_memories(self) -> MemoryCount:
        """Compute the vectors of all memories again."""
        async with _memory_call():
            return MemoryCount(count=await self._memory.reindex(), kind="indexed")

    async def _get(self, reference: MemoryReference) -> Memory:
        if reference.scope is None:
            return await self._memory.find(reference.tenant, reference.memory_id)
        return await self._memory.get(reference.scope, reference.memory_id)

    async def _scope(self, reference: MemoryReference) -> MemoryScope:
        if reference.scope is not None:
            return reference.scope
        return (await self._memory.find(reference.tenant, reference.memory_id)).scope


def _is_after(memory: Memory, position: ExportPosition | None) -> bool:
    if position is None:
        return True
    return (memory.created_at, memory.id) > (position.created_at, position.memory_id)


@asynccontextmanager
async def _memory_call(*, retryable: bool = False) -> AsyncIterator[None]:
    """Send heartbeats, and raise an error of memory as the activity's failure.

    With ``retryable``, every failure is retryable: the activity of an erasure stays pending, with its last failure,
    until memory can be used again.
    """
    async with heartbeating():
        try:
            yield
        except LongTermMemoryError as error:
            failure = application_error(error)
            if retryable:
                failure = ApplicationError(failure.message, *failure.details, type=failure.type)
            raise failure from error
