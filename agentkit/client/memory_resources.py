"""The API's objects of long-term memory, as far as programs read them; unknown fields are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from agentkit.client.resources import ApiObject

__all__ = ["AddedMemory", "ErasedMemories", "ImportedMemories", "IndexedMemories", "MemoryList", "StoredMemory"]


class StoredMemory(ApiObject):
    """A text that outlives tasks."""

    id: str
    text: str
    scope: str = ""
    """Whose it is: ``user/ada``, ``agent/assistant`` or ``tenant``."""
    created_at: datetime
    updated_at: datetime
    metadata: dict[str, str] = Field(default_factory=dict)
    task_id: str | None = None
    """The task that it comes from; None: a person wrote it."""
    expires_at: datetime | None = None
    """When it is forgotten by itself."""
    superseded_by: str | None = None
    """The id of the memory that made this one out of date; such a one is no longer recalled."""
    score: float | None = None
    """How well it fits a search, the best result being 1."""


class AddedMemory(StoredMemory):
    """What has become of a text to remember."""

    outcome: Literal["new", "same", "updated"] = "new"
    """``same``: it was remembered before. ``updated``: a near duplicate was, and has the new text now."""


class MemoryList(ApiObject):
    """Memories of one scope: a page, newest first, or what a search found, best first."""

    memories: tuple[StoredMemory, ...]
    next_cursor: str | None = None
    total: int | None = None


class ErasedMemories(ApiObject):
    """How many memories of a scope were erased."""

    erased: int


class ImportedMemories(ApiObject):
    """What has become of the lines of an import."""

    imported: int = 0
    """How many are new."""
    same: int = 0
    """How many were remembered before."""
    updated: int = 0
    """How many took the place of a near duplicate."""


class IndexedMemories(ApiObject):
    """How many memories have vectors of the present embedding model now."""

    indexed: int
