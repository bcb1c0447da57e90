"""Memories in REST's JSON: schemas with examples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from agentkit.interfaces import Memory, MemoryPage, RememberedMemory
from api.memories.memory_requests import (
    ExistingMemoryRequest,
    MemoryChange,
    MemoryListRequest,
    MemorySearchRequest,
    NewMemoryRequest,
    TenantScopeRequest,
)

__all__ = [
    "AddMemoryRequest",
    "AddedMemoryResponse",
    "ChangeMemoryRequest",
    "ErasedMemoriesResponse",
    "FoundMemoriesResponse",
    "ImportedMemoriesResponse",
    "IndexedMemoriesResponse",
    "MemoryListParams",
    "MemoryListResponse",
    "MemoryParams",
    "MemoryResponse",
    "MemorySearchParams",
    "ScopeParams",
]

_MEMORY: dict[str, JsonValue] = {
    "id": "9f2f0b6e-0f1c-5f7f-9a77-a6f1a3c1be0f",
    "text": "Ada prefers tea to coffee.",
    "scope": "user/ada",
    "created_at": "2026-11-21T19:53:11.271118Z",
    "updated_at": "2026-11-21T19:53:11.271118Z",
    "metadata": {},
    "task_id": "task-01a1ffab7d617517824951118c3e99ab",
}


_ANY_CHANGE: list[JsonValue] = [
    {"required": ["text"], "properties": {"text": {"not": {"type": "null"}}}},
    {"required": ["metadata"], "properties": {"metadata": {"not": {"type": "null"}}}},
    {"required": ["expires_at"]},
]
"""What ``MemoryChange`` checks, in JSON Schema."""


def _example(example: JsonValue) -> ConfigDict:
    extra: dict[str, Any] = {"example": example}
    return ConfigDict(frozen=True, json_schema_extra=extra)


def _is_none(value: object) -> bool:
    return value is None


class AddMemoryRequest(NewMemoryRequest):
    """A text to remember."""

    model_config = ConfigDict(json_schema_extra={"example": {"text": "Ada prefers tea to coffee.", "user": "ada"}})


class ChangeMemoryRequest(MemoryChange):
    """Changes of a memory; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"text": "Ada prefers coffee now."},
            "anyOf": _ANY_CHANGE,
        }
    )


class ScopeParams(TenantScopeRequest):
    """Whose memories."""


class MemoryParams(ExistingMemoryRequest):
    """Whose memory; without a user, agent or scope, the id alone says which."""


class MemoryListParams(MemoryListRequest):
    """Whose memories, and which page."""


class MemorySearchParams(MemorySearchRequest):
    """Whose memories, and what they are to be about."""


class MemoryResponse(BaseModel):
    """A memory. Fields without a value are left out."""

    model_config = _example(_MEMORY)

    id: str
    text: str
    scope: str
    """`user/NAME`, `agent/NAME` or `tenant`."""
    created_at: datetime
    updated_at: datetime
    metadata: dict[str, str]
    task_id: str | None = Field(default=None, exclude_if=_is_none)
    """The task that it comes from; left out: a person wrote it."""
    expires_at: datetime | None = Field(default=None, exclude_if=_is_none)
    """When it is forgotten by itself."""
    superseded_by: str | None = Field(default=None, exclude_if=_is_none)
    """The id of the memory that made this one out of date; it is no longer found."""
    score: float | None = Field(default=None, exclude_if=_is_none)
    """Of a search: how well it fits; the best has 1."""

    @classmethod
    def of(cls, memory: Memory) -> Self:
        """Return a memory in REST's JSON."""
        return cls(**_fields(memory))


def _fields(memory: Memory) -> dict[str, Any]:
    return {**dict(memory), "scope": str(memory.scope), "metadata": dict(memory.metadata)}


class AddedMemoryResponse(MemoryResponse):
    """A memory, and what became of the text."""

    model_config = _example({**_MEMORY, "outcome": "new"})

    outcome: Literal["new", "same", "updated"]
    """`same`: it was there before. `updated`: a near duplicate was there, and has the new text now."""

    @classmethod
    def of_remembered(cls, remembered: RememberedMemory) -> Self:
        """Return it in REST's JSON."""
        return cls(**_fields(remembered.memory), outcome=remembered.outcome)


class MemoryListResponse(BaseModel):
    """Memories, newest first."""

    model_config = _example({"memories": [_MEMORY], "next_cursor": None, "total": 1})

    memories: tuple[MemoryResponse, ...]
    next_cursor: str | None
    """Of the next page; null on the last."""
    total: int
    """How many the scope has."""

    @classmethod
    def of(cls, page: MemoryPage) -> Self:
        """Return a page in REST's JSON."""
        memories = tuple(map(MemoryResponse.of, page.memories))
        return cls(memories=memories, next_cursor=page.next_cursor, total=page.total)


class FoundMemoriesResponse(BaseModel):
    """The memories that fit, best first."""

    model_config = _example({"memories": [{**_MEMORY, "score": 1.0}]})

    memories: tuple[MemoryResponse, ...]

    @classmethod
    def of(cls, memories: Sequence[Memory]) -> Self:
        """Return them in REST's JSON."""
        return cls(memories=tuple(map(MemoryResponse.of, memories)))


class ErasedMemoriesResponse(BaseModel):
    """How many memories were erased."""

    model_config = _example({"erased": 12})

    erased: int


class ImportedMemoriesResponse(BaseModel):
    """What became of the lines."""

    model_config = _example({"imported": 10, "same": 2, "updated": 0})

    imported: int
    """New memories."""
    same: int
    """Lines whose text was there before."""
    updated: int
    """Lines whose text replaced that of a near duplicate."""


class IndexedMemoriesResponse(BaseModel):
    """How many memories have new vectors."""

    model_config = _example({"indexed": 1200})

    indexed: int
