"""Read and write long-term memory over Opspawn's REST API: ``OpspawnClient.memories``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from agentkit.client.api_connection import ApiConnection
from agentkit.client.memory_resources import (
    AddedMemory,
    ErasedMemories,
    ImportedMemories,
    IndexedMemories,
    MemoryList,
    StoredMemory,
)
from agentkit.client.resources import JsonObject
from agentkit.client.submission import submit

__all__ = ["MemoryCalls"]

_MAX_IMPORT_BYTES = 48 * 1_048_576
"""Of the lines in one request; the API takes 64 MiB. Links between memories are kept within one request."""
_IMPORT_TIMEOUT_S = 300.0
_REINDEX_TIMEOUT_S = 3_600.0


class MemoryCalls:
    """List, search and change memories. Each call is about one scope: a user's, an agent's, or the tenant's.

    A scope is named by one of ``user``, ``agent`` and ``scope``, which is text: ``user/ada``, ``agent/clerk``, or
    ``tenant`` for those of all. Without any, it is the default user's. A worker that serves the memory must run.

    ``tenant`` is for administrators: the name of the tenant whose memories they are; without it, it is your own. For
    others, every other tenant is a ``RequestRefused`` of status 404.
    """

    def __init__(self, connection: ApiConnection) -> None:
        self._connection = connection

    async def list(
        self,
        *,
        user: str | None = None,
        agent: str | None = None,
        scope: str | None = None,
        tenant: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> MemoryList:
        """Return a page of a scope's memories, newest first, superseded ones among them."""
        params = _scope(user, agent, scope, tenant) | _given(limit=str(limit), cursor=cursor)
        return await self._connection.get(MemoryList, "/memories", params=params)

    async def search(
        self,
        query: str,
        *,
        user: str | None = None,
        agent: str | None = None,
        scope: str | None = None,
        tenant: str | None = None,
        limit: int = 10,
    ) -> MemoryList:
        """Return the memories that fit a query, by meaning and by words, best first."""
        params = _scope(user, agent, scope, tenant) | {"q": query, "limit": str(limit)}
        return await self._connection.get(MemoryList, "/memories/search", params=params)

    async def add(
        self,
        text: str,
        *,
        user: str | None = None,
        agent: str | None = None,
        scope: str | None = None,
        tenant: str | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> AddedMemory:
        """Remember a text; what the scope has already is stored once.

        Args:
            text: up to 4,000 characters.
            user: whose memory it is.
            agent: the agent whose memory it is.
            scope: instead of both: as text.
            tenant: for administrators: the tenant whose memory it is.
            metadata: stored with it.
            expires_at: when it is forgotten by itself, in the future.
            idempotency_key: a repeated request with the same key is the same memory.
        """
        body: JsonObject = {"text": text, **_scope(user, agent, scope)}
        if metadata:
            body["metadata"] = dict(metadata)
        if expires_at is not None:
            body["expires_at"] = expires_at.isoformat()
        return await submit(self._connection, AddedMemory, _of_tenant("/memories", tenant), body, idempotency_key)

    async def get(self, memory_id: str, *, tenant: str | None = None) -> StoredMemory:
        """Return one memory, also a superseded one."""
        return await self._connection.get(StoredMemory, _path(memory_id, tenant))

    async def change(
        self,
        memory_id: str,
        *,
        text: str | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_at: datetime | Literal["never"] | None = None,
        tenant: str | None = None,
    ) -> StoredMemory:
        """Change a memory; None leaves a field as it is. ``expires_at`` ``never`` removes its expiry."""
        body: JsonObject = {**_given(text=text)}
        if expires_at is not None:
            body["expires_at"] = None if expires_at == "never" else expires_at.isoformat()
        if metadata is not None:
            body["metadata"] = dict(metadata)
        return await self._connection.patch(StoredMemory, _path(memory_id, tenant), body)

    async def forget(self, memory_id: str, *, tenant: str | None = None) -> None:
        """Erase one memory."""
        await self._connection.delete(_path(memory_id, tenant))

    async def erase(
        self,
        *,
        user: str | None = None,
        agent: str | None = None,
        scope: str | None = None,
        tenant: str | None = None,
    ) -> int:
        """Erase all memories of a scope, and return how many there were. The scope must be named.

        Raises:
            ValueError: no scope is named.
        """
        if not (named := _scope(user, agent, scope)):
            raise ValueError("expected a user, an agent or the scope 'tenant' whose memories are erased")
        erased = await self._connection.delete("/memories", params=named | _given(tenant=tenant))
        return ErasedMemories.from_json(erased).erased

    @asynccontextmanager
    async def export(
        self,
        *,
        user: str | None = None,
        agent: str | None = None,
        scope: str | None = None,
        tenant: str | None = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open all memories of a scope, oldest first, and yield them in blocks of bytes: lines of JSON."""
        async with self._connection.stream_bytes("/memories/export", _scope(user, agent, scope, tenant)) as blocks:
            yield blocks

    async def import_lines(
        self,
        lines: Iterable[str],
        *,
        user: str | None = None,
        agent: str | None = None,
        scope: str | None = None,
        tenant: str | None = None,
        max_request_bytes: int = _MAX_IMPORT_BYTES,
    ) -> ImportedMemories:
        """Remember lines of JSON, as ``export`` yields them or with only a ``text``; repeating it changes nothing.

        Where no scope is named, each line's own counts. Where a line is wrong, nothing of its request is imported.
        """
        total, params = ImportedMemories(), _scope(user, agent, scope, tenant)
        for content in _blocks(lines, max_request_bytes):
            part = await self._connection.post_lines(
                ImportedMemories, "/memories/import", content, params=params, wait=_IMPORT_TIMEOUT_S
            )
            total = ImportedMemories(
                imported=total.imported + part.imported,
                same=total.same + part.same,
                updated=total.updated + part.updated,
            )
        return total

    async def reindex(self) -> int:
        """Compute the vectors of all memories anew, as another embedding model demands; return how many there are."""
        indexed = await self._connection.post(IndexedMemories, "/memories/reindex", wait=_REINDEX_TIMEOUT_S)
        return indexed.indexed


def _blocks(lines: Iterable[str], max_bytes: int) -> Iterator[bytes]:
    """Yield lines together, as many as a request may have."""
    block = bytearray()
    for line in lines:
        data = line.rstrip("\r\n").encode() + b"\n"
        if block and len(block) + len(data) > max_bytes:
            yield bytes(block)
            block.clear()
        block += data
    if block:
        yield bytes(block)


def _scope(user: str | None, agent: str | None, scope: str | None, tenant: str | None = None) -> dict[str, str]:
    return _given(user=user, agent=agent, scope=scope, tenant=tenant)


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _path(memory_id: str, tenant: str | None) -> str:
    return _of_tenant(f"/memories/{quote(memory_id, safe='')}", tenant)


def _of_tenant(path: str, tenant: str | None) -> str:
    return path if tenant is None else f"{path}?tenant={quote(tenant, safe='')}"
