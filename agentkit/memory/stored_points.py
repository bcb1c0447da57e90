"""The Protocol of the vector databases that store memories, and the format of a stored memory."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from agentkit.errors import MemoryMisconfigured
from agentkit.interfaces import Memory, MemoryScope
from agentkit.memory.word_vectors import WordVector
from agentkit.memory_rules import as_utc, list_position, scope_key, text_key

__all__ = [
    "CURRENT",
    "INTEGER_FIELDS",
    "KEYWORD_FIELDS",
    "MEANING_VECTOR",
    "REBUILD_BATCH",
    "RRF_K",
    "SEARCH_DEPTH",
    "WORDS_VECTOR",
    "MakeVectors",
    "MemoryPoint",
    "PointFilter",
    "PointStore",
    "PointVectors",
    "VectorModel",
    "changed_model",
    "key_hash",
    "payload_of",
    "point_of",
    "to_milliseconds",
]

MEANING_VECTOR = "meaning"
"""The name of the dense vectors."""

WORDS_VECTOR = "words"
"""The name of the sparse vectors."""

CURRENT = "current"
"""The value of the field ``state`` for memories that no other supersedes."""

KEYWORD_FIELDS = ("scope", "keys", "text_key", "state")
"""Indexed text fields of the payload, besides ``tenant``."""

INTEGER_FIELDS = ("position", "expires_ms")
"""Indexed integer fields of the payload."""

RRF_K = 2
"""``k`` of reciprocal rank fusion, Qdrant's default. A larger one gives the first ranks less weight: worse recall."""

SEARCH_DEPTH = 30
"""The least number of memories that each of the two searches, by meaning and by words, passes to the fusion."""

REBUILD_BATCH = 64
"""Number of memories whose vectors are computed at a time when a store is rebuilt."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class VectorModel:
    """The embedding model that computed the vectors of a store."""

    name: str
    dimension: int


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """A memory, and the keys that it was remembered with."""

    memory: Memory
    keys: tuple[str, ...] = ()
    """Hashes of idempotency keys (``key_hash``), oldest first."""


@dataclass(frozen=True, slots=True)
class PointVectors:
    """The dense and the sparse vector of a text."""

    meaning: Sequence[float]
    words: WordVector


@dataclass(frozen=True, slots=True)
class PointFilter:
    """Selects memories of one tenant that fit every other field that is set."""

    tenant: str
    now_ms: int
    """The time now, in milliseconds since 1970: memories that have expired by then are left out."""
    scope: str | None = None
    """The ``scope_key``; None: any scope."""
    current: bool = False
    """Whether superseded memories are left out."""
    ids: Sequence[str] | None = None
    without_ids: Sequence[str] = ()
    task_id: str | None = None
    """The task that the text comes from."""
    same_as: tuple[str, str] | None = None
    """A ``key_hash`` and a ``text_key``: memories with the key, and current ones with the text."""
    first_position: int | None = None
    """The least ``list_position``."""
    last_position: int | None = None
    """The greatest ``list_position``."""


MakeVectors = Callable[[Sequence[str]], Awaitable[Sequence[PointVectors]]]
"""Computes the vectors of texts, in their order."""


class PointStore(Protocol):
    """A database of memories and their vectors; safe for concurrent use.

    Every method may raise MemoryUnavailable and MemoryMisconfigured. A write that has returned survives the end of the
    process.
    """

    async def prepare(self, model: VectorModel) -> None:
        """Open the store; create it if there is none. Called before every call except ``rebuild`` and ``aclose``.

        Raises:
            MemoryMisconfigured: the vectors in it are of another model.
        """
        ...

    async def select(
        self, where: PointFilter, *, limit: int, order: Literal["newest", "oldest"] | None = None
    ) -> Sequence[MemoryPoint]:
        """Return memories; ``order`` is that of ``list_position``, None is any order."""
        ...

    async def count(self, where: PointFilter) -> int:
        """Return the number of memories."""
        ...

    async def nearest(
        self, where: PointFilter, meaning: Sequence[float], *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        """Return the memories with the nearest dense vectors and their cosines, best first."""
        ...

    async def search(
        self, where: PointFilter, vectors: PointVectors, *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        """Return the memories that fit by meaning and by words, and their scores, best first."""
        ...

    async def put(self, point: MemoryPoint, vectors: PointVectors) -> None:
        """Store a memory; one with the same id is replaced."""
        ...

    async def change(self, point: MemoryPoint, vectors: PointVectors | None) -> bool:
        """Replace a stored memory, and its vectors unless they are None. Return False if there is none with its id."""
        ...

    async def delete(self, where: PointFilter) -> None:
        """Erase memories."""
        ...

    async def delete_expired(self, now_ms: int) -> None:
        """Erase the expired memories of all tenants."""
        ...

    async def rebuild(self, model: VectorModel, make_vectors: MakeVectors) -> int:
        """Compute all vectors again with ``model``; return the number of memories.

        If it fails, the store is unchanged.
        """
        ...

    async def aclose(self) -> None:
        """Release connections and files."""
        ...


def to_milliseconds(moment: datetime) -> int:
    """Return the milliseconds from 1970 to the moment."""
    return (as_utc(moment) - _EPOCH) // timedelta(milliseconds=1)


def key_hash(key: str) -> str:
    """Return the hash of an idempotency key that is stored; keys may be long, with any characters."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def payload_of(stored: MemoryPoint) -> dict[str, Any]:
    """Return the payload of a stored memory: its fields, and those that only filters use."""
    memory = stored.memory
    payload: dict[str, Any] = {
        "tenant": memory.scope.tenant,
        "scope": scope_key(memory.scope),
        "kind": memory.scope.kind,
        "owner": memory.scope.owner,
        "text": memory.text,
        "text_key": text_key(memory.text),
        "keys": list(stored.keys),
        "created_at": memory.created_at.isoformat(),
        "updated_at": memory.updated_at.isoformat(),
        "position": list_position(memory),
        "state": CURRENT if memory.superseded_by is None else "superseded",
        "metadata": [[name, value] for name, value in memory.metadata.items()],
    }
    if memory.task_id is not None:
        payload["task_id"] = memory.task_id
    if memory.expires_at is not None:
        payload |= {"expires_at": memory.expires_at.isoformat(), "expires_ms": to_milliseconds(memory.expires_at)}
    if memory.superseded_by is not None:
        payload["superseded_by"] = memory.superseded_by
    return payload


def point_of(point_id: object, payload: Mapping[str, Any] | None) -> MemoryPoint:
    """Return the memory of a payload; the inverse of ``payload_of``.

    Raises:
        MemoryMisconfigured: the payload isn't one of a memory.
    """
    payload = payload or {}
    try:
        memory = Memory(
            id=str(point_id),
            text=payload["text"],
            scope=MemoryScope(kind=payload["kind"], owner=payload["owner"], tenant=payload["tenant"]),
            created_at=payload["created_at"],
            updated_at=payload["updated_at"],
            metadata=dict(payload["metadata"]),
            task_id=payload.get("task_id"),
            expires_at=payload.get("expires_at"),
            superseded_by=payload.get("superseded_by"),
        )
        return MemoryPoint(memory, tuple(payload["keys"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MemoryMisconfigured(f"{point_id} is stored among the memories, but isn't one: {error!r:.200}") from None


def changed_model(place: str, stored: str, wanted: VectorModel) -> MemoryMisconfigured:
    """Return the error for a store whose vectors are of another model."""
    return MemoryMisconfigured(
        f"the memories in {place} have vectors of {stored}, and the embedding model is {wanted.name} "
        f"({wanted.dimension} dimensions): set AGENTKIT_LTM_EMBEDDINGS back, or run `opspawn memory reindex`, "
        "which makes the vectors anew"
    )
