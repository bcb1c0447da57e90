"""Long-term memory over a vector database and an embedding model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from weakref import WeakValueDictionary

from agentkit.errors import LongTermMemoryError, MemoryMisconfigured, MemoryUnavailable
from agentkit.interfaces import (
    EmbeddedKind,
    Embedder,
    Memory,
    MemoryChanges,
    MemoryPage,
    MemoryScope,
    NewMemory,
    RememberedMemory,
)
from agentkit.memory.stored_points import (
    MemoryPoint,
    PointFilter,
    PointStore,
    PointVectors,
    VectorModel,
    key_hash,
    to_milliseconds,
)
from agentkit.memory.word_vectors import document_words, query_words
from agentkit.memory_rules import (
    MAX_KEYS,
    NEAR_DUPLICATE_SIMILARITY,
    ListCursor,
    as_utc,
    changed_fields,
    check_changes,
    check_memory,
    contains_statement,
    is_of_conversation,
    later_expiry,
    list_position,
    memory_id,
    missing_memory,
    scope_key,
    shortened_query,
    stored_time,
    text_key,
    utc_now,
)
from agentkit.observed_calls import observed_embeddings

__all__ = ["VectorMemory"]

EXPORT_PAGE = 200
"""Number of memories that an export reads at a time."""

MAX_SAME_POSITION = 10_000
"""The most memories of one ``list_position`` that are sorted by their ids."""

NEAR_DUPLICATES = 5
"""Number of nearest memories that are checked for a near duplicate."""

PURGE_INTERVAL = timedelta(hours=1)
"""Time between two erasures of expired memories; nothing finds them meanwhile."""

_LOGGER = logging.getLogger(__name__)


class VectorMemory:
    """A ``LongTermMemory`` in a ``PointStore``, which the first call opens."""

    def __init__(self, points: PointStore, embedder: Embedder, *, now: Callable[[], datetime] = utc_now) -> None:
        """Take over ``points`` and ``embedder``: ``aclose`` closes both."""
        self._points = points
        self._embedder = embedder
        self._now = now
        self._writes: WeakValueDictionary[MemoryScope, asyncio.Lock] = WeakValueDictionary()
        self._reindexing = False
        self._purged_at: datetime | None = None

    async def remember(self, scope: MemoryScope, memory: NewMemory) -> RememberedMemory:
        """See ``LongTermMemory``."""
        check_memory(memory)
        await self._prepare()
        async with self._write_lock(scope):
            await self._purge()
            if (same := await self._same(scope, memory)) is not None:
                result = RememberedMemory(memory=await self._seen_again(same, memory), outcome="same")
            else:
                result = await self._stored(scope, memory)
            await self._supersede(scope, memory.supersedes, result.memory)
            return result

    async def recall(self, scope: MemoryScope, query: str, *, limit: int) -> Sequence[Memory]:
        """See ``LongTermMemory``."""
        await self._prepare()
        query = shortened_query(query)
        if limit <= 0 or not query.strip():
            return []
        [meaning] = await self._embed([query], "query")
        vectors = PointVectors(meaning, query_words(query))
        found = await self._points.search(self._filter(scope, current=True), vectors, limit=limit)
        best = max((score for _, score in found), default=1.0) or 1.0
        return [stored.memory.model_copy(update={"score": score / best}) for stored, score in found]

    async def get(self, scope: MemoryScope, memory_id: str) -> Memory:
        """See ``LongTermMemory``."""
        await self._prepare()
        return (await self._one(scope, memory_id)).memory

    async def find(self, tenant: str, memory_id: str) -> Memory:
        """See ``LongTermMemory``."""
        await self._prepare()
        where = PointFilter(tenant, to_milliseconds(self._now()), ids=_point_ids(memory_id))
        found = await self._points.select(where, limit=1) if where.ids else ()
        if not found:
            raise missing_memory(memory_id)
        return found[0].memory

    async def list(self, scope: MemoryScope, *, limit: int, cursor: str | None = None) -> MemoryPage:
        """See ``LongTermMemory``."""
        before = None if cursor is None else ListCursor.decoded(scope, cursor)
        await self._prepare()
        where = self._filter(scope)
        page, more = await self._page(where, before, limit, "newest")
        total = await self._points.count(where)
        next_cursor = ListCursor.after(scope, page, before).encoded() if more and page else None
        return MemoryPage(memories=tuple(page), next_cursor=next_cursor, total=total)

    async def update(self, scope: MemoryScope, memory_id: str, changes: MemoryChanges) -> Memory:
        """See ``LongTermMemory``."""
        check_changes(changes)
        await self._prepare()
        async with self._write_lock(scope):
            stored = await self._one(scope, memory_id)
            memory = stored.memory.model_copy(
                update={**changed_fields(changes), "updated_at": stored_time(self._now())}
            )
            vectors = None if changes.text is None else await self._vectors(changes.text)
            if not await self._points.change(MemoryPoint(memory, stored.keys), vectors):
                raise missing_memory(memory_id, scope)
            return memory

    async def forget(self, scope: MemoryScope, memory_id: str) -> None:
        """See ``LongTermMemory``."""
        await self._prepare()
        async with self._write_lock(scope):
            await self._one(scope, memory_id)
            await self._points.delete(self._filter(scope, ids=[memory_id]))

    async def export(self, scope: MemoryScope) -> AsyncIterator[Memory]:
        """See ``LongTermMemory``."""
        await self._prepare()
        async for memory in self._oldest_first(self._filter(scope)):
            yield memory

    async def erase(self, scope: MemoryScope) -> int:
        """See ``LongTermMemory``."""
        await self._prepare()
        async with self._write_lock(scope):
            where = self._filter(scope)
            count = await self._points.count(where)
            await self._points.delete(where)
            await self._points.delete_expired(where.now_ms)
            return count

    async def erase_of_task(self, tenant: str, task_id: str) -> int:
        """See ``LongTermMemory``."""
        await self._prepare()
        return await self._erase_of_tasks(tenant, [task_id])

    async def erase_of_conversation(self, tenant: str, conversation_id: str) -> int:
        """See ``LongTermMemory``. It reads all memories of the tenant: servers differ in searching parts of ids."""
        await self._prepare()
        all_memories = self._oldest_first(PointFilter(tenant, to_milliseconds(self._now())))
        turns = {memory.task_id async for memory in all_memories if is_of_conversation(memory, conversation_id)}
        return await self._erase_of_tasks(tenant, [task_id for task_id in turns if task_id is not None])

    async def reindex(self) -> int:
        """See ``LongTermMemory``."""
        self._check_not_reindexing()
        self._reindexing = True
        try:
            for lock in list(self._writes.values()):
                async with lock:  # writes that have started end first
                    pass
            return await self._points.rebuild(self._model, self._document_vectors)
        finally:
            self._reindexing = False

    async def aclose(self) -> None:
        """See ``LongTermMemory``."""
        try:
            await self._points.aclose()
        finally:
            await self._embedder.aclose()

    @property
    def _model(self) -> VectorModel:
        return VectorModel(self._embedder.name, self._embedder.dimension)

    async def _prepare(self) -> None:
        self._check_not_reindexing()
        await self._points.prepare(self._model)

    def _check_not_reindexing(self) -> None:
        if self._reindexing:
            raise MemoryUnavailable("the vectors of all memories are made anew now: try again when that has ended")

    def _write_lock(self, scope: MemoryScope) -> asyncio.Lock:
        return self._writes.setdefault(scope, asyncio.Lock())

    def _filter(self, scope: MemoryScope, *, current: bool = False, ids: Sequence[str] | None = None) -> PointFilter:
        now_ms = to_milliseconds(self._now())
        return PointFilter(scope.tenant, now_ms, scope_key(scope), current=current, ids=ids)

    async def _erase_of_tasks(self, tenant: str, task_ids: Sequence[str]) -> int:
        """Erase the memories of tasks, and all expired ones; return how many there were that hadn't expired."""
        now_ms = to_milliseconds(self._now())
        count = 0
        for task_id in task_ids:
            where = PointFilter(tenant, now_ms, task_id=task_id)
            count += await self._points.count(where)
            await self._points.delete(where)
        await self._points.delete_expired(now_ms)
        return count

    async def _one(self, scope: MemoryScope, memory_id: str) -> MemoryPoint:
        ids = _point_ids(memory_id)
        found = await self._points.select(self._filter(scope, ids=ids), limit=1) if ids else ()
        if not found:
            raise missing_memory(memory_id, scope)
        return found[0]

    async def _oldest_first(self, where: PointFilter) -> AsyncIterator[Memory]:
        """Yield all memories that fit."""
        scope = MemoryScope(kind="tenant", tenant=where.tenant)  # cursors have one; these are used here only
        before: ListCursor | None = None
        more = True
        while more:
            page, more = await self._page(where, before, EXPORT_PAGE, "oldest")
            for memory in page:
                yield memory
            before = ListCursor.after(scope, page, before) if page else None

    async def _page(
        self, where: PointFilter, before: ListCursor | None, limit: int, order: Literal["newest", "oldest"]
    ) -> tuple[Sequence[Memory], bool]:
        """Return a page in the order of ``list_position``, then of ids, and whether there are more."""
        position = None if before is None else before.position
        where = replace(
            where,
            without_ids=() if before is None else before.ids,
            first_position=position if order == "oldest" else None,
            last_position=position if order == "newest" else None,
        )
        found = {one.memory.id: one.memory for one in await self._points.select(where, limit=limit + 1, order=order)}
        positions = sorted(map(list_position, found.values()), reverse=order == "newest")
        if len(found) > limit > 0 and positions[-1] == positions[-2]:  # the database may return any of these
            where = replace(where, first_position=positions[-1], last_position=positions[-1])
            same_position = await self._points.select(where, limit=MAX_SAME_POSITION)
            found |= {one.memory.id: one.memory for one in same_position}
        page = sorted(found.values(), key=lambda one: (list_position(one), one.id), reverse=order == "newest")
        return page[:limit], len(page) > limit

    async def _same(self, scope: MemoryScope, new: NewMemory) -> MemoryPoint | None:
        key = key_hash(new.key)
        where = replace(self._filter(scope), same_as=(key, text_key(new.text)))
        found = await self._points.select(where, limit=10)
        return max(found, key=lambda stored: key in stored.keys, default=None)

    async def _seen_again(self, stored: MemoryPoint, new: NewMemory) -> Memory:
        key = key_hash(new.key)
        if key in stored.keys:
            return stored.memory
        expires_at = later_expiry(stored.memory.expires_at, new.expires_at)
        memory = stored.memory.model_copy(update={"expires_at": expires_at})
        await self._points.change(_with_key(memory, stored.keys, key), None)
        return memory

    async def _stored(self, scope: MemoryScope, new: NewMemory) -> RememberedMemory:
        vectors = await self._vectors(new.text)
        if new.supersedes is None and (near := await self._near_duplicate(scope, new.text, vectors)) is not None:
            memory = near.memory.model_copy(
                update={
                    "text": new.text,
                    "updated_at": stored_time(self._now()),
                    "metadata": {**near.memory.metadata, **new.metadata},
                    "task_id": new.task_id,
                    "expires_at": later_expiry(near.memory.expires_at, new.expires_at),
                }
            )
            if await self._points.change(_with_key(memory, near.keys, key_hash(new.key)), vectors):
                return RememberedMemory(memory=memory, outcome="updated")
        identifier = memory_id(scope, new.text)
        for taken in await self._points.select(self._filter(scope, ids=[identifier]), limit=1):
            if taken.memory.superseded_by is None and text_key(taken.memory.text) == text_key(new.text):
                return RememberedMemory(
                    memory=await self._seen_again(taken, new), outcome="same"
                )  # stored since ``_same`` looked for it
            identifier = memory_id(scope, new.text, new.key)
        memory = self._new(scope, identifier, new)
        await self._points.put(MemoryPoint(memory, (key_hash(new.key),)), vectors)
        return RememberedMemory(memory=memory, outcome="new")

    def _new(self, scope: MemoryScope, identifier: str, new: NewMemory) -> Memory:
        created_at = stored_time(new.created_at or self._now())
        return Memory(
            id=identifier,
            text=new.text,
            scope=scope,
            created_at=created_at,
            updated_at=created_at,
            metadata=new.metadata,
            task_id=new.task_id,
            expires_at=None if new.expires_at is None else as_utc(new.expires_at),
        )

    async def _near_duplicate(self, scope: MemoryScope, text: str, vectors: PointVectors) -> MemoryPoint | None:
        where = self._filter(scope, current=True)
        for stored, cosine in await self._points.nearest(where, vectors.meaning, limit=NEAR_DUPLICATES):
            if cosine >= NEAR_DUPLICATE_SIMILARITY and contains_statement(text, stored.memory.text):
                return stored
        return None

    async def _supersede(self, scope: MemoryScope, old_id: str | None, memory: Memory) -> None:
        ids = [] if old_id is None or old_id == memory.id else _point_ids(old_id)
        if not ids or memory.superseded_by is not None:  # never both
            return
        for old in await self._points.select(self._filter(scope, current=True, ids=ids), limit=1):
            superseded = old.memory.model_copy(update={"superseded_by": memory.id})
            await self._points.change(MemoryPoint(superseded, old.keys), None)

    async def _purge(self) -> None:
        now = self._now()
        if self._purged_at is not None and now - self._purged_at < PURGE_INTERVAL:
            return
        self._purged_at = now
        try:
            await self._points.delete_expired(to_milliseconds(now))
        except LongTermMemoryError:
            _LOGGER.warning("Expired memories can't be erased now", exc_info=True)

    async def _vectors(self, text: str) -> PointVectors:
        return (await self._document_vectors([text]))[0]

    async def _document_vectors(self, texts: Sequence[str]) -> Sequence[PointVectors]:
        meanings = await self._embed(texts, "document")
        return [PointVectors(meaning, document_words(text)) for text, meaning in zip(texts, meanings, strict=True)]

    async def _embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
        vectors = await observed_embeddings(self._embedder, texts, kind)
        if len(vectors) != len(texts) or any(len(vector) != self._embedder.dimension for vector in vectors):
            raise MemoryMisconfigured(
                f"the embedding model {self._embedder.name} returned other vectors than {len(texts)} of "
                f"{self._embedder.dimension} numbers"
            )
        return vectors


def _with_key(memory: Memory, keys: tuple[str, ...], key: str) -> MemoryPoint:
    return MemoryPoint(memory, (*keys, key)[-MAX_KEYS:])


def _point_ids(memory_id: str) -> list[str]:
    """Return the id in a list; an empty one if it isn't a UUID as the database writes it."""
    try:
        return [memory_id] if str(UUID(memory_id)) == memory_id else []
    except ValueError:
        return []
