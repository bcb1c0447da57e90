"""The Protocols of short-term memory (the transcript) and long-term memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, Self

from pydantic import Field

from agentkit.messages import Message
from agentkit.records import Record

__all__ = [
    "DEFAULT_TENANT",
    "DEFAULT_USER",
    "MAX_MEMORY_CHARS",
    "MEMORY_TOOLS",
    "LongTermMemory",
    "Memory",
    "MemoryChanges",
    "MemoryPage",
    "MemoryScope",
    "NewMemory",
    "RememberedMemory",
    "ScopeKind",
    "ShortTermMemory",
    "memory_task_queue",
]

DEFAULT_TENANT = "default"
DEFAULT_USER = "default"
"""The user of tasks and requests that name none."""

MAX_MEMORY_CHARS = 4_000
"""The most characters of a memory's text."""

MEMORY_TOOLS = ("remember", "recall", "forget", "update_memory")
"""The names of the tools that an agent with long-term memory has."""

ScopeKind = Literal["user", "agent", "tenant"]


def memory_task_queue(task_queue: str) -> str:
    """Return the task queue of memory's activities and tools, which the workers that serve memory poll."""
    return f"{task_queue}-memory"


def _is_none(value: object) -> bool:
    return value is None


class ShortTermMemory(Protocol):
    """The transcript of one task."""

    def append(self, *messages: Message) -> None:
        """Add messages at the end."""
        ...

    def read(self, start: int = 0, end: int | None = None) -> Sequence[Message]:
        """Return the messages from ``start`` up to and excluding ``end``."""
        ...


class MemoryScope(Record):
    """The owner of memories: a user, an agent, or a whole tenant. A call reaches the memories of one scope only."""

    kind: ScopeKind
    owner: str = ""
    """The user's or the agent's name; empty for ``tenant``."""
    tenant: str = DEFAULT_TENANT

    @classmethod
    def of(cls, kind: ScopeKind, *, user: str | None, agent: str, tenant: str = DEFAULT_TENANT) -> Self:
        """Return the scope of that kind for a task of ``agent`` and ``user``."""
        owner = {"user": user or DEFAULT_USER, "agent": agent, "tenant": ""}[kind]
        return cls(kind=kind, owner=owner, tenant=tenant)

    def __str__(self) -> str:
        """Return a text for people: ``user/ada``, ``agent/assistant``, ``tenant``."""
        return f"{self.kind}/{self.owner}" if self.owner else self.kind


class NewMemory(Record):
    """A text to remember."""

    text: str = Field(min_length=1, max_length=MAX_MEMORY_CHARS)
    key: str
    """Idempotency key, such as a tool call's: a request with a known key stores nothing new."""
    metadata: Mapping[str, str] = Field(default_factory=dict)
    task_id: str | None = Field(default=None, exclude_if=_is_none)
    """The task that it comes from; None: a person wrote it."""
    expires_at: datetime | None = Field(default=None, exclude_if=_is_none)
    """When it expires; None: never."""
    created_at: datetime | None = Field(default=None, exclude_if=_is_none)
    """When an imported memory was first stored. None: now."""
    supersedes: str | None = Field(default=None, exclude_if=_is_none)
    """The id of a memory that this one makes out of date; that one is kept with a link, and not recalled."""


class MemoryChanges(Record):
    """Changes of a memory; None leaves a field as it is."""

    text: str | None = Field(default=None, min_length=1, max_length=MAX_MEMORY_CHARS, exclude_if=_is_none)
    metadata: Mapping[str, str] | None = Field(default=None, exclude_if=_is_none)
    """Replaces all earlier metadata."""
    expires_at: datetime | Literal["never"] | None = Field(default=None, exclude_if=_is_none)
    """``never`` removes the expiry."""


class Memory(Record):
    """A stored text."""

    id: str
    text: str
    scope: MemoryScope
    created_at: datetime
    updated_at: datetime
    metadata: Mapping[str, str] = Field(default_factory=dict)
    task_id: str | None = Field(default=None, exclude_if=_is_none)
    """The task that it comes from; None: a person wrote it."""
    expires_at: datetime | None = Field(default=None, exclude_if=_is_none)
    superseded_by: str | None = Field(default=None, exclude_if=_is_none)
    """The id of the memory that made this one out of date."""
    score: float | None = Field(default=None, exclude_if=_is_none)
    """How well it fits the query, 1 for the best of a result; set by ``recall``. Not comparable between results."""


class RememberedMemory(Record):
    """The result of ``remember``."""

    memory: Memory
    outcome: Literal["new", "same", "updated"]
    """``same``: the key or the text was stored before. ``updated``: the text replaced that of a near duplicate."""


class MemoryPage(Record):
    """Some memories of a scope, newest first."""

    memories: tuple[Memory, ...]
    next_cursor: str | None = Field(default=None, exclude_if=_is_none)
    """Cursor of the next page; None: this is the last."""
    total: int
    """Number of memories in the scope."""


class LongTermMemory(Protocol):
    """Texts that outlive a task, in separate scopes; safe for concurrent use.

    A write that has returned survives the end of the process. No method finds expired memories. Every method may raise
    MemoryUnavailable, where a retry may succeed, and MemoryMisconfigured, where it can't.
    """

    async def remember(self, scope: MemoryScope, memory: NewMemory) -> RememberedMemory:
        """Store a text. A repeated key or text of the scope stores nothing new."""
        ...

    async def recall(self, scope: MemoryScope, query: str, *, limit: int) -> Sequence[Memory]:
        """Return the memories that fit the query by meaning and by words, best first; superseded ones are left out."""
        ...

    async def get(self, scope: MemoryScope, memory_id: str) -> Memory:
        """Return one memory, which may be superseded.

        Raises:
            MemoryNotFound: the scope has none with that id.
        """
        ...

    async def find(self, tenant: str, memory_id: str) -> Memory:
        """Return the memory with that id from any scope of the tenant; it may be superseded.

        Raises:
            MemoryNotFound: the tenant has none with that id.
        """
        ...

    async def list(self, scope: MemoryScope, *, limit: int, cursor: str | None = None) -> MemoryPage:
        """Return memories by the time of their creation, newest first, superseded ones included.

        Raises:
            MemoryRequestInvalid: the cursor isn't one of this scope's list.
        """
        ...

    async def update(self, scope: MemoryScope, memory_id: str, changes: MemoryChanges) -> Memory:
        """Change a memory and return it.

        Raises:
            MemoryNotFound: the scope has none with that id.
        """
        ...

    async def forget(self, scope: MemoryScope, memory_id: str) -> None:
        """Erase one memory.

        Raises:
            MemoryNotFound: the scope has none with that id.
        """
        ...

    def export(self, scope: MemoryScope) -> AsyncIterator[Memory]:
        """Yield all memories of a scope, oldest first."""
        ...

    async def erase(self, scope: MemoryScope) -> int:
        """Erase all memories of a scope; return how many there were."""
        ...

    async def erase_of_task(self, tenant: str, task_id: str) -> int:
        """Erase the memories of all scopes of the tenant whose text comes from the task; return how many there were."""
        ...

    async def erase_of_conversation(self, tenant: str, conversation_id: str) -> int:
        """Erase what ``erase_of_task`` does, of all turns of a conversation; return how many memories there were.

        The id of a turn's task is the conversation's id, ``-``, and the id of the message.
        """
        ...

    async def reindex(self) -> int:
        """Compute the vectors of all memories again, for another embedding model; return how many there are."""
        ...

    async def aclose(self) -> None:
        """Release connections and files. Called at most once."""
        ...
