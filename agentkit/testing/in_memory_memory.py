"""Long-term memory without files, servers and embedding models."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agentkit.interfaces import Memory, MemoryChanges, MemoryPage, MemoryScope, NewMemory, RememberedMemory
from agentkit.memory_rules import (
    MAX_KEYS,
    NEAR_DUPLICATE_SIMILARITY,
    ListCursor,
    as_utc,
    changed_fields,
    check_changes,
    check_memory,
    contains_statement,
    is_expired,
    is_of_conversation,
    later_expiry,
    memory_id,
    missing_memory,
    shortened_query,
    statement_words,
    stored_time,
    text_key,
    utc_now,
)

__all__ = ["InMemoryMemory"]


@dataclass
class _Stored:
    memory: Memory
    keys: list[str] = field(default_factory=list)


class InMemoryMemory:
    """A ``LongTermMemory`` for tests: it finds memories by the words that they share with the query."""

    def __init__(self, *, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._scopes: dict[MemoryScope, dict[str, _Stored]] = {}

    async def remember(self, scope: MemoryScope, memory: NewMemory) -> RememberedMemory:
        """See ``LongTermMemory``."""
        check_memory(memory)
        stored = self._living(scope)
        if (same := _with_key(stored, memory.key) or _with_text(stored, memory.text)) is not None:
            return RememberedMemory(memory=self._seen_again(scope, same, memory), outcome="same")
        if memory.supersedes is None and (near := _near_duplicate(stored, memory.text)) is not None:
            return RememberedMemory(memory=self._rewritten(near, memory), outcome="updated")
        return RememberedMemory(memory=self._added(scope, memory), outcome="new")

    async def recall(self, scope: MemoryScope, query: str, *, limit: int) -> Sequence[Memory]:
        """See ``LongTermMemory``."""
        words = Counter(statement_words(shortened_query(query)))
        current = [one.memory for one in self._living(scope).values() if one.memory.superseded_by is None]
        scores = [(_similarity(words, Counter(statement_words(memory.text))), memory) for memory in current]
        found = sorted((pair for pair in scores if pair[0] > 0), key=lambda pair: pair[0], reverse=True)[:limit]
        return [memory.model_copy(update={"score": score / found[0][0]}) for score, memory in found]

    async def get(self, scope: MemoryScope, memory_id: str) -> Memory:
        """See ``LongTermMemory``."""
        return self._one(scope, memory_id).memory

    async def find(self, tenant: str, memory_id: str) -> Memory:
        """See ``LongTermMemory``."""
        for scope in [scope for scope in self._scopes if scope.tenant == tenant]:
            if (stored := self._living(scope).get(memory_id)) is not None:
                return stored.memory
        raise missing_memory(memory_id)

    async def list(self, scope: MemoryScope, *, limit: int, cursor: str | None = None) -> MemoryPage:
        """See ``LongTermMemory``."""
        before = None if cursor is None else ListCursor.decoded(scope, cursor)
        memories = [one.memory for one in self._living(scope).values()]
        memories.sort(key=lambda memory: (memory.created_at, memory.id), reverse=True)
        rest = [memory for memory in memories if before is None or before.is_before(memory)]
        page = rest[:limit]
        more = len(rest) > limit and bool(page)
        return MemoryPage(
            memories=tuple(page),
            next_cursor=ListCursor.after(scope, page, before).encoded() if more else None,
            total=len(memories),
        )

    async def update(self, scope: MemoryScope, memory_id: str, changes: MemoryChanges) -> Memory:
        """See ``LongTermMemory``."""
        check_changes(changes)
        stored = self._one(scope, memory_id)
        stored.memory = stored.memory.model_copy(
            update={**changed_fields(changes), "updated_at": stored_time(self._now())}
        )
        return stored.memory

    async def forget(self, scope: MemoryScope, memory_id: str) -> None:
        """See ``LongTermMemory``."""
        self._one(scope, memory_id)
        del self._scopes[scope][memory_id]

    async def export(self, scope: MemoryScope) -> AsyncIterator[Memory]:
        """See ``LongTermMemory``."""
        memories = [one.memory for one in self._living(scope).values()]
        for memory in sorted(memories, key=lambda memory: (memory.created_at, memory.id)):
            yield memory

    async def erase(self, scope: MemoryScope) -> int:
        """See ``LongTermMemory``."""
        count = len(self._living(scope))
        self._scopes.pop(scope, None)
        return count

    async def erase_of_task(self, tenant: str, task_id: str) -> int:
        """See ``LongTermMemory``."""
        return self._erase(tenant, lambda memory: memory.task_id == task_id)

    async def erase_of_conversation(self, tenant: str, conversation_id: str) -> int:
        """See ``LongTermMemory``."""
        return self._erase(tenant, lambda memory: is_of_conversation(memory, conversation_id))

    async def reindex(self) -> int:
        """See ``LongTermMemory``."""
        return sum(len(self._living(scope)) for scope in list(self._scopes))

    async def aclose(self) -> None:
        """Do nothing: it holds nothing."""

    def _erase(self, tenant: str, is_meant: Callable[[Memory], bool]) -> int:
        count = 0
        for scope in [scope for scope in self._scopes if scope.tenant == tenant]:
            stored = self._living(scope)
            for identifier in [key for key, one in stored.items() if is_meant(one.memory)]:
                del stored[identifier]
                count += 1
        return count

    def _living(self, scope: MemoryScope) -> dict[str, _Stored]:
        stored = self._scopes.get(scope, {})
        for identifier in [key for key, one in stored.items() if is_expired(one.memory.expires_at, self._now())]:
            del stored[identifier]
        return stored

    def _one(self, scope: MemoryScope, memory_id: str) -> _Stored:
        if (stored := self._living(scope).get(memory_id)) is None:
            raise missing_memory(memory_id, scope)
        return stored

    def _added(self, scope: MemoryScope, new: NewMemory) -> Memory:
        stored = self._living(scope)
        identifier = memory_id(scope, new.text)
        if identifier in stored:
            identifier = memory_id(scope, new.text, new.key)
        created_at = stored_time(new.created_at or self._now())
        memory = Memory(
            id=identifier,
            text=new.text,
            scope=scope,
            created_at=created_at,
            updated_at=created_at,
            metadata=new.metadata,
            task_id=new.task_id,
            expires_at=None if new.expires_at is None else as_utc(new.expires_at),
        )
        self._scopes.setdefault(scope, {})[identifier] = _Stored(memory, [new.key])
        self._supersede(scope, new, memory)
        return memory

    def _seen_again(self, scope: MemoryScope, stored: _Stored, new: NewMemory) -> Memory:
        if new.key not in stored.keys:
            expires_at = later_expiry(stored.memory.expires_at, new.expires_at)
            stored.memory = stored.memory.model_copy(update={"expires_at": expires_at})
            _add_key(stored, new.key)
        self._supersede(scope, new, stored.memory)
        return stored.memory

    def _rewritten(self, stored: _Stored, new: NewMemory) -> Memory:
        stored.memory = stored.memory.model_copy(
            update={
                "text": new.text,
                "updated_at": stored_time(self._now()),
                "metadata": {**stored.memory.metadata, **new.metadata},
                "task_id": new.task_id,
                "expires_at": later_expiry(stored.memory.expires_at, new.expires_at),
            }
        )
        _add_key(stored, new.key)
        return stored.memory

    def _supersede(self, scope: MemoryScope, new: NewMemory, memory: Memory) -> None:
        old = self._living(scope).get(new.supersedes or "")
        linkable = old is not None and old.memory.id != memory.id and old.memory.superseded_by is None
        if old is not None and linkable and memory.superseded_by is None:  # never both
            old.memory = old.memory.model_copy(update={"superseded_by": memory.id})


def _add_key(stored: _Stored, key: str) -> None:
    stored.keys = [*stored.keys, key][-MAX_KEYS:]


def _with_key(stored: Mapping[str, _Stored], key: str) -> _Stored | None:
    return next((one for one in stored.values() if key in one.keys), None)


def _with_text(stored: Mapping[str, _Stored], text: str) -> _Stored | None:
    wanted = text_key(text)
    current = (one for one in stored.values() if one.memory.superseded_by is None)
    return next((one for one in current if text_key(one.memory.text) == wanted), None)


def _near_duplicate(stored: Mapping[str, _Stored], text: str) -> _Stored | None:
    words = Counter(statement_words(text))
    for one in stored.values():
        near = _similarity(words, Counter(statement_words(one.memory.text))) >= NEAR_DUPLICATE_SIMILARITY
        if near and one.memory.superseded_by is None and contains_statement(text, one.memory.text):
            return one
    return None


def _similarity(one: Counter[str], other: Counter[str]) -> float:
    length = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return sum(one[word] * other[word] for word in one) / length if length else 0.0
