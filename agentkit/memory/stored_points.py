"""The Protocol of vector databases that memories are stored in, and what they store of a memory."""

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
"""The field ``state`` of memories that no other supersedes."""

KEYWORD_FIELDS = ("scope", "keys", "text_key", "state")
"""Indexed fields of the payload that are texts, besides ``tenant``."""

INTEGER_FIELDS = ("position", "expires_ms")

RRF_K = 2
"""``k`` of reciprocal rank fusion, Qdrant's default: larger ones let the first ranks count less, and find less."""

SEARCH_DEPTH = 30
"""How many memories each of the two searches gives to the fusion, at least."""

REBUILD_BATCH = 64
"""For how many memories vectors are made at a time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class VectorModel:
    """The model that the vectors of a store are of."""

    name: str
    dimension: int


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """A memory, and the keys that it was remembered with."""

    memory: Memory
    keys: tuple[str, ...] = ()
    """Hashes, see ``key_hash``; the newest last."""


@dataclass(frozen=True, slots=True)
class PointVectors:
    """What a memory is found by."""

    meaning: Sequence[float]
    words: WordVector


@dataclass(frozen=True, slots=True)
class PointFilter:
    """Which memories a call is about: those of one tenant, and all that is given more."""

    tenant: str
    now_ms: int
    """Those that expire then, or before, are left out."""
    scope: str | None = None
    """See ``scope_key``; None: any."""
    current: bool = False
    """Only those that no other supersedes."""
    ids: Sequence[str] | None = None
    without_ids: Sequence[str] = ()
    same_as: tuple[str, str] | None = None
    """A key's hash and a text's: those with the key, and current ones with the text."""
    first_position: int | None = None
    last_position: int | None = None


MakeVectors = Callable[[Sequence[str]], Awaitable[Sequence[PointVectors]]]
"""Makes the vectors of some texts."""


class PointStore(Protocol):
    """A place for memories and their vectors; safe for concurrent use.

    Every method may raise MemoryUnavailable and MemoryMisconfigured. What has returned survives the end of the process.
    """

    async def prepare(self, model: VectorModel) -> None:
        """Open the store, and create it where there is none. Called before each other call but ``rebuild``.

        Raises:
            MemoryMisconfigured: the vectors in it are of another model.
        """
        ...

    async def select(
        self, where: PointFilter, *, limit: int, order: Literal["newest", "oldest"] | None = None
    ) -> Sequence[MemoryPoint]:
        """Return memories; ordered ones by ``list_position``."""
        ...

    async def count(self, where: PointFilter) -> int:
        """Return how many there are."""
        ...

    async def nearest(
        self, where: PointFilter, meaning: Sequence[float], *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        """Return the memories whose vectors are nearest, with the cosine, best first."""
        ...

    async def search(
        self, where: PointFilter, vectors: PointVectors, *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        """Return the memories that fit by meaning and by words, with a score, best first."""
        ...

    async def put(self, stored: MemoryPoint, vectors: PointVectors) -> None:
        """Store a memory, in place of one with its id."""
        ...

    async def change(self, stored: MemoryPoint, vectors: PointVectors | None) -> bool:
        """Store all of a memory anew; None leaves its vectors. Return False, and do nothing, where its id is gone."""
        ...

    async def delete(self, where: PointFilter) -> None:
        """Erase memories."""
        ...

    async def delete_expired(self, now_ms: int) -> None:
        """Erase the expired memories of all tenants."""
        ...

    async def rebuild(self, model: VectorModel, make_vectors: MakeVectors) -> int:
        """Make all vectors anew, with another model perhaps; return how many memories there are.

        If it fails, the store is what it was.
        """
        ...

    async def aclose(self) -> None:
        """Release what it holds."""
        ...


def to_milliseconds(moment: datetime) -> int:
    """Return the milliseconds from 1970 to the moment."""
    return (as_utc(moment) - _EPOCH) // timedelta(milliseconds=1)


def key_hash(key: str) -> str:
    """Return what is stored of an idempotency key, which may be long and odd."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def payload_of(stored: MemoryPoint) -> dict[str, Any]:
    """Return the payload of a memory: what filters need, and its fields."""
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
    """Return what a payload is of.

    Raises:
        MemoryMisconfigured: it is none of a memory.
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
        raise MemoryMisconfigured(f"{point_id} is stored among the memories, and is none: {error!r:.200}") from None


def changed_model(place: str, stored: str, wanted: VectorModel) -> MemoryMisconfigured:
    """Return the error for a store whose vectors are of another model."""
    return MemoryMisconfigured(
        f"the memories in {place} have vectors of {stored}, and the embedding model is {wanted.name} "
        f"({wanted.dimension} dimensions): set AGENTKIT_LTM_EMBEDDINGS back, or run `opspawn memory reindex`, "
        "which makes the vectors anew"
    )
